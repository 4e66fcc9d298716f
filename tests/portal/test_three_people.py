"""From an agent's call to the proof in the client's hands, on a whole installation: three people and a real browser.

Alice sets the rule and agrees at her desk, Bob agrees on his phone, the change is made once, and Colin, who is the
client, takes his pack home and checks it without us.
"""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from audit.verifier import msplex_verify
from msplex.runtime.smoke.agent import Agent, Answer
from msplex.runtime.smoke.proof import totp
from msplex.runtime.world import World, world
from tests.portal.watch import Watched, overflow, watch

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOOL = "halopsa_add_note"
NOTE = "Restarted the spooler at the client's request"
STEP = 30
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE = 90_000  # milliseconds


@pytest.fixture
def whole(chromium: Browser) -> Iterator[World]:
    with world("journey") as place:
        yield place


@pytest.fixture
def seat(chromium: Browser, whole: World) -> Iterator[Callable[..., Watched]]:
    """Opens a browser of somebody, signed in; whatever they do in it, nothing breaks the policy or is missing."""
    opened: list[Watched] = []

    def sit(role: str, size: dict[str, int], **more: Any) -> Watched:
        context = chromium.new_context(base_url=whole.portal, viewport=size, **more)
        context.set_default_timeout(20_000)
        seen = watch(context.new_page())
        opened.append(seen)
        sign_in(seen.page, whole, role)
        return seen

    yield sit
    for seen in opened:
        seen.page.context.close()
    assert [complaint for seen in opened for complaint in seen.complaints] == []


def person(place: World, role: str) -> dict[str, str]:
    return next(each for each in place.demo["tenants"][0]["people"] if each["role"] == role)


def sign_in(page: Page, place: World, role: str) -> None:
    who = person(place, role)
    page.goto("/")
    page.get_by_label("Workspace").fill(place.demo["tenants"][0]["workspace"])
    page.get_by_label("E-mail").fill(who["email"])
    page.get_by_label("Password").fill(who["password"])
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code").fill(totp(who["totp_secret"]))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def next_code(place: World, role: str) -> str:
    """Of the step after that of the sign-in: each is good for one thing, and the one that is about to come is taken."""
    return totp(person(place, role)["totp_secret"], at=time.time() + STEP)


def test_from_an_agents_call_to_the_clients_verified_pack(
    whole: World, seat: Callable[..., Watched], tmp_path: Path
) -> None:
    alice, bob = seat("admin", DESK).page, seat("operator", PHONE, is_mobile=True, has_touch=True).page
    ask_for_two_people(alice)
    request = call(whole).refusal["approval_request"]
    assert notes(whole) == []

    words = agree_at_the_desk(alice, whole, request)
    assert call(whole).refusal["code"] == "approval_required", "one of two is not enough"
    agree_on_the_phone(bob, whole, request, words)

    assert call(whole).structured["action"]["note"] == NOTE
    assert notes(whole) == [NOTE]
    again = call(whole)
    assert again.refusal["approval_request"] != request, "an approval is good for one run"
    assert notes(whole) == [NOTE]

    order_the_pack(alice, whole)
    colin = seat("customer_viewer", DESK).page
    pack = take_home(colin, tmp_path)
    said = verified(pack, key_of(whole, tmp_path))
    assert (said["ok"], said["facts"]["approvals"], said["facts"]["votes"]) == (True, 1, 2), said


def call(place: World) -> Answer:
    """Of the agent that serves one customer, by the official client."""
    with ThreadPoolExecutor(1) as other:  # playwright's own event loop runs in this thread
        return other.submit(lambda: Agent(place, 0, 1).call(TOOL, ticket_id=11003, note=NOTE)).result()


def notes(place: World) -> list[str]:
    """That the vendor has."""
    with urllib.request.urlopen(f"{place.vendor}/_stub/requests", timeout=10) as answer:
        changes = json.load(answer)["changes"]
    return [change["body"][0]["note"] for change in changes if change["path"] == "/api/Actions"]


def ask_for_two_people(page: Page) -> None:
    page.goto("/policy/")
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name").fill("Notes take two people")
    page.get_by_role("combobox", name="What it does").select_option("approval")
    page.get_by_label("People who have to agree").fill("2")
    page.locator("[name='tool']").fill(TOOL)
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("link", name="Notes take two people")).to_be_visible()


def agree_at_the_desk(page: Page, place: World, request: str) -> list[str]:
    """From the inbox; the words that are on the page."""
    page.goto("/approvals/")
    page.locator(f"a[href*='{request}']").first.click()
    expect(page.get_by_text(NOTE)).to_be_visible()
    shows_its_effect(page)
    words = page.locator(".digest-words li").all_inner_texts()
    vote(page, next_code(place, "admin"))
    expect(page.get_by_text("Missing: 1 person")).to_be_visible()
    return words


def shows_its_effect(page: Page) -> None:
    """As the broker has read it through the gates, by itself and by now: no page was opened anew for it."""
    effects = page.locator("#effects")
    expect(effects.get_by_text(re.compile(r"^one object, read "))).to_be_visible()
    expect(effects.get_by_text(re.compile(r"^Ticket [0-9]+$"))).to_be_visible()
    expect(effects.get_by_text("A note is added, which the customer does not see.")).to_be_visible()


def agree_on_the_phone(page: Page, place: World, request: str, words: list[str]) -> None:
    page.goto(f"/approvals/{request}/card/")
    assert overflow(page) == 0
    shows_its_effect(page)
    assert page.locator(".digest-words li").all_inner_texts() == words
    vote(page, next_code(place, "operator"))
    expect(page.get_by_text("Missing:")).not_to_be_attached()


def vote(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name=re.compile("^Approve")).last.click()


def order_the_pack(page: Page, place: World) -> None:
    page.goto("/audit/packs/")
    form = page.locator("form[aria-labelledby='order-title']")
    form.locator("select").first.select_option(label=place.demo["tenants"][0]["customers"][0]["name"])
    form.get_by_role("button", name="Make an interim pack").click()
    expect(page.get_by_role("heading", name="Take it home")).to_be_visible(timeout=PATIENCE)


def take_home(page: Page, folder: Path) -> Path:
    page.goto("/audit/packs/")
    page.locator("#packs table a").first.click()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Whole pack (zip)").click()
    coming.value.save_as(folder / "pack.zip")
    return folder / "pack.zip"


def key_of(place: World, folder: Path) -> Path:
    with urllib.request.urlopen(f"{place.portal}/.well-known/msplex-log-keys.json", timeout=10) as answer:
        (folder / "keys.json").write_bytes(answer.read())
    return folder / "keys.json"


def verified(pack: Path, key: Path) -> dict[str, Any]:
    """On somebody else's machine: another process, without this one's packages."""
    command = [sys.executable, "-I", "-S", str(msplex_verify.__file__), "verify-pack", "--pack", str(pack)]
    done = subprocess.run([*command, "--pubkey", str(key), "--json"], capture_output=True, text=True, check=False)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
