"""What needs a recent second factor: asked for after 15 minutes, at every door, and then the interrupted goes on."""

import json
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from audit.selectors import events
from connectors.services import configure_instance, start_instance
from identity import interrupted, step_up
from identity.models import Principal, Session
from identity.roles import Role
from identity.services import sign_out
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, SETUP, Person, fresh_step, make_machine, make_member, make_person

PAGE = "/confirm/"
LATE = timedelta(minutes=15, seconds=1)
EARLY = timedelta(minutes=14, seconds=59)
API = "/api/v1/second-factor/"


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.OWNER)


def is_disabled(person: Person) -> bool:
    with person.world.acting():
        return Principal.objects.get(id=person.id).is_disabled


def at(monkeypatch: pytest.MonkeyPatch, person: Person, passed: timedelta) -> None:
    """The clock stands exactly so long after the person's second factor."""
    with person.world.acting():
        given = Session.objects.filter(principal_id=person.id).latest("id").mfa_at
    monkeypatch.setattr(step_up, "clock", lambda: given + passed)


def disable(browser: Browser, person: Person, **headers: str):
    return browser.post(reverse("portal:person_disable", args=[person.id]), headers=headers or None)


def disable_by_api(browser: Browser, person: Person):
    return browser.post(f"/api/v1/members/{person.id}/disable/", content_type="application/json")


def send_code(browser: Browser, code: str):
    return browser.post(API, json.dumps({"code": code}), content_type="application/json")


@pytest.mark.parametrize(("passed", "done"), [(EARLY, True), (timedelta(minutes=15), True), (LATE, False)])
def test_portal_asks_from_the_sixteenth_minute(alice, monkeypatch, passed: timedelta, done: bool) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    at(monkeypatch, alice, passed)

    response = disable(browser, bob)

    assert (response["Location"] != PAGE) is done
    assert is_disabled(bob) is done


@pytest.mark.parametrize(("passed", "status"), [(EARLY, 204), (timedelta(minutes=15), 204), (LATE, 403)])
def test_api_asks_from_the_sixteenth_minute(alice, monkeypatch, passed: timedelta, status: int) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    at(monkeypatch, alice, passed)

    response = disable_by_api(browser, bob)

    assert response.status_code == status
    assert is_disabled(bob) is (status == 204)
    if status == 403:
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "recent_mfa_required"


def test_reading_needs_no_recent_factor(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)

    assert browser.get(reverse("portal:service_account_new")).status_code == 200
    assert browser.get("/api/v1/members/").status_code == 200


def test_interrupted_form_is_shown_again_and_sent_by_the_person(alice: Person) -> None:
    browser, customer = alice.browser(), alice.world.customers[0]
    alice.confirmed(ago=LATE)
    given = {"name": "triage", "role": "operator", "owner": alice.id, "lifetime": 90, "customers": [customer.pk]}
    given["purpose"] = "Sorts tickets"
    fresh_step()

    asked = browser.post(reverse("portal:service_account_new"), given)
    shown = browser.post(PAGE, {"code": alice.code()})
    waiting = shown.context["waiting"]
    made = browser.post(waiting.path, dict(waiting.fields))

    assert asked["Location"] == PAGE
    assert waiting.path == reverse("portal:service_account_new")
    assert {name for name, _ in waiting.fields} == set(given)
    assert customer.name in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert made.status_code == 200
    assert made.context["account"].name == "triage"


def test_nothing_is_done_before_the_person_goes_on(alice: Person) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    fresh_step()

    disable(browser, bob, Referer=f"http://testserver{reverse('portal:person', args=[bob.id])}")
    shown = browser.post(PAGE, {"code": alice.code()})

    assert not is_disabled(bob)
    assert bob.user.email in shown.content.decode()
    assert shown.context["waiting"].origin == reverse("portal:person", args=[bob.id])
    browser.post(shown.context["waiting"].path)
    assert is_disabled(bob)


def test_what_waits_is_shown_once(alice: Person) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    fresh_step()
    disable(browser, bob)

    first = browser.post(PAGE, {"code": alice.code()})
    again = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert first.status_code == 200
    assert (again.status_code, again["Location"]) == (302, "/")


def test_passwords_do_not_wait_in_the_session(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)
    fresh_step()

    browser.post(reverse("portal:account_email"), {"email": "alice@new.example", "current": PASSWORD})
    shown = browser.post(PAGE, {"code": alice.code()})

    assert shown.context["waiting"].fields == (("email", "alice@new.example"),)
    assert shown.context["waiting"].missing == ("current",)
    assert PASSWORD not in shown.content.decode()
    assert 'type="password"' in shown.content.decode()


@pytest.mark.parametrize("room", ["agent_connect", "own_passkey_new"])
def test_what_belongs_to_its_page_starts_over_there(alice: Person, room: str) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)
    here = reverse("portal:agent_connect") + "?request=sealed"

    asked = browser.post(reverse(f"portal:{room}"), {"customer": "*"}, headers={"Referer": f"http://testserver{here}"})
    confirmed = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert asked["Location"] == PAGE
    assert (confirmed.status_code, confirmed["Location"]) == (302, here)


def test_vendor_credentials_do_not_wait_in_the_session(alice: Person, monkeypatch) -> None:
    browser, kept = alice.browser(), []
    with alice.world.acting():
        instance = start_instance("halopsa", by=SETUP)
        secret = {"client_secret": "the-first-secret-0000"}
        settings = {"base_url": "https://acme.halopsa.example", "client_id": "acme"}
        configure_instance(instance, settings=settings, secret=secret, by=SETUP)
    alice.confirmed(ago=LATE)
    monkeypatch.setattr(interrupted, "seal", lambda clear, **_: kept.append(clear) or clear)

    browser.post(
        reverse("portal:connector_configure", args=[instance.pk]), settings | {"client_secret": "the-second-secret"}
    )

    assert len(kept) == 1
    assert b"acme.halopsa.example" in kept[0]
    assert b"the-second-secret" not in kept[0]


def test_what_waits_is_sealed_in_the_database(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)

    browser.post(reverse("portal:service_account_new"), {"name": "triage-of-the-night"})

    with alice.world.acting():
        data = Session.objects.get(principal_id=alice.id).data
    assert set(data) == {"interrupted"}
    assert "triage" not in json.dumps(data)


def test_what_waits_opens_in_its_session_only(alice: Person) -> None:
    bob, first, second = make_person(alice.world, name="bob"), alice.browser(), alice.browser()
    alice.confirmed(ago=LATE)
    disable(first, bob)
    with alice.world.acting():
        older, newer = Session.objects.filter(principal_id=alice.id).order_by("id")
        Session.objects.filter(id=newer.pk).update(data=older.data)

    answer = second.post(PAGE, {"code": alice.recovery_codes[0]})

    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_what_waits_too_long_is_forgotten(alice: Person, monkeypatch) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    disable(browser, bob)
    later = timezone.now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(interrupted, "clock", lambda: later)

    answer = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_what_is_too_long_is_not_kept(alice: Person) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)

    browser.post(reverse("portal:service_account_new"), {"name": "x" * 20_000})
    shown = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert shown.context["waiting"].fields == ()
    assert "too much to keep" in shown.content.decode()


def test_origin_of_another_site_is_not_gone_back_to(alice: Person) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)

    disable(browser, bob, Referer="https://evil.example/people/")
    shown = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert shown.context["waiting"].origin == "/"


def test_partial_update_is_sent_to_the_page_and_comes_back(alice: Person) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    here = reverse("portal:people") + "?q=bob"

    asked = disable(browser, bob, **{"HX-Request": "true", "HX-Current-URL": f"http://testserver{here}"})
    shown = browser.post(PAGE, {"code": alice.recovery_codes[0]})

    assert (asked.status_code, asked["HX-Redirect"]) == (401, PAGE)
    assert not is_disabled(bob)
    assert shown.context["waiting"].path == reverse("portal:person_disable", args=[bob.id])
    assert shown.context["waiting"].origin == here


def test_api_confirms_with_a_session(alice: Person) -> None:
    bob, browser = make_person(alice.world, name="bob"), alice.browser()
    alice.confirmed(ago=LATE)
    fresh_step()

    before = browser.get(API).json()
    confirmed = send_code(browser, alice.code())
    done = disable_by_api(browser, bob)

    assert before["is_recent"] is False
    assert (confirmed.status_code, confirmed.json()["is_recent"], confirmed.json()["method"]) == (200, True, "totp")
    assert done.status_code == 204


@pytest.mark.parametrize("door", ["portal", "api"])
def test_wrong_code_is_counted_and_recorded_although_it_is_refused(alice: Person, door: str) -> None:
    browser = alice.browser()
    alice.confirmed(ago=LATE)
    send = send_code if door == "api" else lambda b, code: b.post(PAGE, {"code": code})

    statuses = [send(browser, "000000").status_code for _ in range(6)]
    refused = send(browser, alice.recovery_codes[0]).status_code

    assert set(statuses) | {refused} == {401 if door == "api" else 422}
    with alice.world.acting():
        assert events().filter(kind="identity:mfa:refuse", actor_id=alice.id).count() == 5
        assert events().filter(kind="identity:mfa:confirm").count() == 0


def test_person_of_one_customer_can_confirm() -> None:
    world = make_tenant()
    carol = make_member(world, Role.CUSTOMER_MANAGER, name="carol", customer=world.customers[0])
    browser = carol.browser()
    carol.confirmed(ago=LATE)

    assert send_code(browser, "000000").status_code == 401
    assert send_code(browser, carol.recovery_codes[0]).json()["method"] == "recovery_code"


def test_code_is_accepted_once(alice: Person) -> None:
    browser = alice.browser()
    fresh_step()
    code = alice.code()

    assert send_code(browser, code).status_code == 200
    assert send_code(browser, code).status_code == 401


def test_confirmation_is_recorded_and_belongs_to_one_session(alice: Person) -> None:
    first, second = alice.browser(), alice.browser()
    alice.confirmed(ago=LATE)

    send_code(first, alice.recovery_codes[0])

    assert second.get(API).json()["is_recent"] is False
    with alice.world.acting():
        event = events().get(kind="identity:mfa:confirm")
        session = Session.objects.get(id=event.subject_id)
        assert (event.actor_id, session.mfa_method) == (alice.id, "recovery_code")


def test_ended_session_confirms_nothing(alice: Person) -> None:
    browser = alice.browser()
    with alice.world.acting():
        sign_out(Session.objects.get(principal_id=alice.id).pk, by=alice.actor)

    assert send_code(browser, alice.recovery_codes[0]).status_code == 401


def test_automation_never_does_what_needs_a_second_factor(alice: Person) -> None:
    bob = make_person(alice.world, name="bob")
    api = make_machine(alice.world, Role.ADMIN, owner=alice).api()

    refused = disable_by_api(api, bob)
    confirming = send_code(api, "000000")

    assert [refused.status_code, confirming.status_code] == [403, 403]
    assert refused.json()["code"] == confirming.json()["code"] == "second_factor_impossible"
    assert not is_disabled(bob)


def test_permission_is_asked_first(alice: Person) -> None:
    bob = make_member(alice.world, Role.VIEWER, name="bob")
    browser = bob.browser()
    bob.confirmed(ago=LATE)

    assert disable(browser, alice).status_code == 403
    assert disable_by_api(browser, alice).json()["code"] == "permission_missing"
