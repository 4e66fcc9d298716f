"""A request on a phone: all that decides it on one page, the two answers, and an app that keeps nothing of a tenant."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from approvals.models import ApprovalRequest, Vote
from identity.roles import Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, fresh_step, make_member, make_person
from tests.portal.factories import make_request
from tests.portal.watch import Watched, barriers, overflow


@pytest.fixture
def world() -> TenantWorld:
    return make_tenant()


@pytest.fixture
def alice(world: TenantWorld) -> Person:
    return make_member(world, Role.ADMIN)


def card(request: ApprovalRequest) -> str:
    return reverse("portal:approval_card", args=[request.pk])


def asked(world: TenantWorld, **given: object) -> ApprovalRequest:
    arguments = {"host": "srv-print-01", "password": "tr0ub4dor"}
    return make_request(world, arguments=arguments, reason="The spooler hangs", ticket="T-2041", **given)


def test_it_shows_what_decides_it(world: TenantWorld, alice: Person) -> None:
    request = asked(world, approvers=2)

    page = " ".join(alice.browser().get(card(request)).content.decode().split())

    for told in (
        world.customers[0].name, "halopsa_update_ticket", "srv-print-01", "triage-agent", "The spooler hangs", "T-2041",
        "0 of 2", "left</span>", "Approve with TOTP", "Reject", f"{request.created_at:%H:%M:%S UTC}",
    ):  # fmt: skip
        assert told in page
    assert "tr0ub4dor" not in page
    assert len(re.findall(r"<li>[a-z]+</li>", page)) == 6


def test_it_approves_with_a_code_and_says_what_is_wrong_on_the_card(world: TenantWorld, alice: Person) -> None:
    request, browser = asked(world, approvers=1), alice.browser()
    url = f"{reverse('portal:approval_approve', args=[request.pk])}?card=1"

    wrong = browser.post(url, {"code": "000000", "digest": request.digest})
    right = browser.post(url, {"code": alice.code(), "digest": request.digest})

    assert wrong.status_code == 422
    assert 'class="card-page"' in wrong.content.decode()
    assert (right.status_code, right["Location"]) == (302, card(request))
    with world.acting():
        assert ApprovalRequest.objects.get(id=request.pk).state == "approved"


def test_it_rejects_with_a_reason(world: TenantWorld, alice: Person) -> None:
    request, browser = asked(world), alice.browser()
    url = f"{reverse('portal:approval_reject', args=[request.pk])}?card=1"

    assert 'class="card-page"' in browser.post(url, {"reason": ""}).content.decode()
    assert browser.post(url, {"reason": "Not during payroll"})["Location"] == card(request)

    with world.acting():
        assert Vote.objects.get().decision == "reject"


def test_who_has_asked_and_who_may_not_decide_see_no_answers(world: TenantWorld, alice: Person) -> None:
    own = make_request(world, principal_id=alice.id, principal_kind="user")
    viewer = make_person(world, Role.VIEWER, name="vera")

    for person in (alice, viewer):
        page = person.browser().get(card(own)).content.decode()
        assert "Approve with" not in page
        assert "Reject" not in page


def test_its_address_opens_nothing_by_itself(world: TenantWorld, client: Client) -> None:
    answer = client.get(card(asked(world)))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("portal:sign_in"))


def test_what_is_public_of_the_app_has_nothing_of_anybody(world: TenantWorld, alice: Person, client: Client) -> None:
    browser = alice.browser()
    for name in ("manifest", "app-worker", "offline"):
        mine, anybodys = browser.get(reverse(name)), client.get(reverse(name))
        assert mine.content == anybodys.content
        assert mine.status_code == 200
        assert not mine.cookies
        assert world.workspace not in mine.content.decode()
    manifest = client.get(reverse("manifest"))
    assert manifest["Content-Type"] == "application/manifest+json"
    assert manifest.json()["start_url"] == reverse("portal:notifications")
    assert client.get(reverse("app-worker"))["Service-Worker-Allowed"] == "/"


PHONE = {"width": 360, "height": 720}
CACHED = """async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  return found;
}"""


@pytest.mark.browser
def test_a_person_approves_on_a_phone_at_360_pixels(page: Page, world: TenantWorld, alice: Person, as_person) -> None:
    request = asked(world, approvers=1)
    as_person(alice)
    page.set_viewport_size(PHONE)

    page.goto(card(request))

    assert overflow(page) == 0
    assert barriers(page) == []
    fresh_step()
    page.get_by_label("Code of your authenticator app").fill(alice.code())
    page.get_by_role("button", name="Approve with TOTP").click()
    expect(page.get_by_text("Your vote counts for exactly what you were shown.")).to_be_visible()
    expect(page.get_by_text("1 of 1")).to_be_visible()


@pytest.mark.browser
def test_without_a_network_the_app_says_so_and_has_kept_nothing_of_the_tenant(
    page: Page, watched: Watched, context: BrowserContext, world: TenantWorld, alice: Person, as_person
) -> None:
    as_person(alice)
    page.set_viewport_size(PHONE)
    page.goto(card(asked(world)))
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.goto(reverse("portal:notifications"))  # looked at through the worker
    page.goto(reverse("portal:approvals"))
    page.wait_for_function("navigator.serviceWorker.controller !== null")

    kept = page.evaluate(CACHED)
    context.set_offline(True)
    page.goto(reverse("portal:notifications"))

    assert reverse("offline") in kept
    assert all(path == reverse("offline") or path.startswith("/static/") for path in kept)
    expect(page.get_by_role("heading", name="No network")).to_be_visible()
    assert world.name not in page.content()
    assert page.evaluate("getComputedStyle(document.body).fontFamily") != "serif"
    context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Notifications")).to_be_visible()
    watched.complaints.clear()  # of the parts that a page asks for while there is no network
