"""The second factor again by a passkey; the page that comes before a secret is shown; and the way back."""

import json
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from audit.selectors import events
from identity import interrupted
from identity.models import Session, TotpDevice
from identity.roles import Role
from identity.services.attempts import FREE
from tests.factories import make_tenant
from tests.identity.authenticator import Authenticator
from tests.identity.factories import Person, make_machine, make_member, make_person
from tests.identity.post import post
from tests.identity.test_passkeys import register
from tests.portal.test_step_up import EARLY, LATE, PAGE, at, disable, disable_by_api, is_disabled

API = "/api/v1/second-factor/passkey/"
OPTIONS = API + "options/"
APP = "/account/authenticator/"


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.OWNER)


@pytest.fixture
def device(alice: Person) -> Authenticator:
    return register(alice)


def signed(browser: Browser, device: Authenticator) -> dict[str, object]:
    begun = browser.post(OPTIONS).json()
    return {"state": begun["state"], "answer": device.sign(begun["options"])}


def by_page(browser: Browser, given: dict[str, object]):
    return browser.post(reverse("portal:step_up_passkey"), given | {"answer": json.dumps(given["answer"])})


def by_api(browser: Browser, given: dict[str, object]):
    return browser.post(API, json.dumps(given), content_type="application/json")


def latest(person: Person) -> Session:
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id).latest("id")


@pytest.mark.parametrize(("passed", "done"), [(EARLY, True), (LATE, False)])
@pytest.mark.parametrize("door", ["portal", "htmx", "api"])
def test_a_passkey_confirms_for_fifteen_minutes_at_every_door(
    alice: Person, device: Authenticator, monkeypatch, passed: timedelta, done: bool, door: str
) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=timedelta(hours=1))
    assert by_page(browser, signed(browser, device)).status_code == 302
    at(monkeypatch, alice, passed)

    if door == "api":
        answer = disable_by_api(browser, bob)
    else:
        answer = disable(browser, bob, **({"HX-Request": "true"} if door == "htmx" else {}))

    assert is_disabled(bob) is done
    if not done:
        assert answer.status_code == {"portal": 302, "htmx": 401, "api": 403}[door]
    assert latest(alice).mfa_method == "passkey"


def test_what_was_interrupted_goes_on_after_a_passkey(alice: Person, device: Authenticator) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    disable(browser, bob)

    page = browser.get(PAGE).content.decode()
    shown = by_page(browser, signed(browser, device))
    browser.post(shown.context["waiting"].path)

    assert "Use a passkey" in page
    assert is_disabled(bob)
    with alice.world.acting():
        assert events().get(kind="identity:mfa:confirm").facts["method"] == "passkey"


def test_api_confirms_with_a_passkey(alice: Person, device: Authenticator) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)

    confirmed = by_api(browser, signed(browser, device)).json()

    assert (confirmed["method"], confirmed["is_recent"]) == ("passkey", True)


def test_who_has_no_passkey_is_not_offered_one(alice: Person) -> None:
    assert "Use a passkey" not in alice.browser().get(PAGE).content.decode()


@pytest.mark.parametrize("send", [by_page, by_api])
def test_a_refused_passkey_is_counted_recorded_and_spends_its_challenge(
    alice: Person, device: Authenticator, send
) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)
    given = signed(browser, device)
    forged = given | {"answer": signed(browser, Authenticator(credential_id=device.credential_id))["answer"]}

    refused = send(browser, forged)
    again = send(browser, given)

    assert [refused.status_code, again.status_code] == [422 if send is by_page else 401] * 2
    assert latest(alice).mfa_method == "totp"
    with alice.world.acting():
        whys = [event.facts["why"] for event in events().filter(kind="identity:mfa:refuse").order_by("id")]
    assert whys[-1] == "challenge answered before"
    assert len(whys) == 2
    assert "copied" not in "".join(letter.subject for letter in post(alice.world))


def test_refused_passkeys_slow_down(alice: Person, device: Authenticator) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)
    for _ in range(FREE):
        by_api(browser, {"state": "x", "answer": {}})

    assert by_api(browser, signed(browser, device)).status_code == 401


def test_a_challenge_of_another_session_or_purpose_confirms_nothing(alice: Person, device: Authenticator) -> None:
    browser, other = alice.browser(), alice.browser()
    alice.confirmed(ago=LATE)
    adding = browser.post(reverse("api:passkey-options")).json()
    for_adding = {"state": adding["state"], "answer": device.sign(adding["options"])}

    assert by_api(browser, signed(other, device)).status_code == 401
    assert by_api(browser, for_adding).status_code == 401


def test_another_persons_passkey_confirms_nothing(alice: Person, device: Authenticator) -> None:
    bob = make_member(alice.world, Role.OWNER, name="bob")
    browser = bob.browser()
    bob.confirmed(ago=LATE)

    assert by_api(browser, signed(browser, device)).status_code == 401


def test_a_copied_passkey_is_told_to_its_person(alice: Person, device: Authenticator) -> None:
    browser = alice.browser()
    by_api(browser, signed(browser, device))
    post(alice.world)
    device.counter = 0

    assert by_api(browser, signed(browser, device)).status_code == 401
    assert [letter.subject for letter in post(alice.world)] == ["A passkey of yours may have been copied"]


def test_automation_has_no_passkey_to_confirm_with(alice: Person) -> None:
    api = make_machine(alice.world, Role.ADMIN, owner=alice).api()

    for path in OPTIONS, API:
        answer = api.post(path, json.dumps({"state": "x", "answer": {}}), content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_impossible")


def test_without_scripts_the_page_says_what_is_missing(alice: Person) -> None:
    answer = alice.browser().post(reverse("portal:step_up_passkey"), {})

    assert answer.status_code == 422
    assert "The browser sent no passkey." in answer.content.decode()


@pytest.mark.parametrize(("passed", "status"), [(EARLY, 200), (LATE, 302)])
def test_a_new_seed_is_shown_to_who_confirmed_lately(
    alice: Person, monkeypatch, passed: timedelta, status: int
) -> None:
    browser = alice.browser()
    at(monkeypatch, alice, passed)

    answer = browser.get(APP)

    assert answer.status_code == status
    with alice.world.acting():
        made = TotpDevice.objects.get(user=alice.user).next_seed is not None
    assert made is (status == 200)


def test_after_the_factor_the_page_that_was_asked_for_is_shown(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)

    asked = browser.get(APP, headers={"Referer": "http://testserver/account/"})
    page = browser.get(PAGE)
    confirmed = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert asked["Location"] == PAGE
    assert 'href="/account/">Cancel' in page.content.decode()
    assert "What you are about to see" in page.content.decode()
    assert (confirmed.status_code, confirmed["Location"]) == (302, APP)
    assert browser.get(APP).status_code == 200


def test_a_partial_update_that_asks_for_a_secret_is_sent_to_the_page(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)

    asked = browser.get(APP, headers={"HX-Request": "true"})

    assert (asked.status_code, asked["HX-Redirect"]) == (401, PAGE)


ORIGINS = {
    "http://testserver/people/?q=bob": "/people/?q=bob",
    "https://evil.example/people/": "/",
    "http://testserver//evil.example/": "/evil.example/",
    "http://testserver/\\evil.example/": "/evil.example/",
    f"http://testserver{PAGE}": "/",
    "": "/",
}


@pytest.mark.parametrize("referer", ORIGINS)
def test_cancel_goes_back_to_where_the_person_came_from(alice: Person, referer: str) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    disable(browser, bob, Referer=referer)

    for _ in range(2):  # looking at it takes nothing away
        assert f'href="{ORIGINS[referer]}">Cancel' in browser.get(PAGE).content.decode()


def test_a_way_back_gets_old(alice: Person, monkeypatch) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    disable(browser, bob, Referer="http://testserver/people/")
    later = timezone.now() + timedelta(minutes=11)
    monkeypatch.setattr(interrupted, "clock", lambda: later)

    assert 'href="/">Cancel' in browser.get(PAGE).content.decode()
