"""The REST twin of "your account": for the person in a browser, and not for what acts with a token."""

import base64
import json

import pytest
from django_otp.oath import totp

from identity.roles import Role
from identity.services.attempts import FREE
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, Person, fresh_step, make_machine, make_member, make_person
from tests.identity.post import post

PATH = "/api/v1/account/"
NEW = "a new and longer password"


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.ADMIN)


def send(browser, action: str, **body: str):
    return browser.post(f"{PATH}{action}", json.dumps(body), content_type="application/json")


def test_an_accounts_life(alice: Person) -> None:
    browser = alice.browser()

    named = send(browser, "name/", name="Alice Adams")
    changed = send(browser, "password/", current=PASSWORD, new=NEW)
    asked = send(browser, "email/", email="new@acme.example", current=NEW)
    enrolment = send(browser, "authenticator/").json()
    fresh_step()
    seed = enrolment["secret"]
    code = f"{totp(base64.b32decode(seed + '=' * (-len(seed) % 8))):06d}"
    replaced = send(browser, "authenticator/confirm/", code=code)
    codes = send(browser, "recovery-codes/")
    shown = browser.get(PATH).json()
    kinds = [event["kind"] for event in browser.get(f"{PATH}events/").json()["results"]]

    assert named.json()["name"] == shown["name"] == "Alice Adams"
    assert [changed.status_code, asked.status_code, replaced.status_code, codes.status_code] == [204, 204, 204, 201]
    assert len(codes.json()["recovery_codes"]) == 10
    assert codes["Cache-Control"] == "no-store"
    assert kinds[:5] == [
        "identity:recovery_codes:create", "identity:mfa:replace", "identity:email:request", "identity:password:change",
        "identity:member:rename",
    ]  # fmt: skip
    assert ["new@acme.example"] in [letter.to for letter in post(alice.world)]


def test_a_wrong_password_is_counted_and_named(alice: Person) -> None:
    browser = alice.browser()
    for _ in range(FREE + 1):
        wrong = send(browser, "password/", current="wrong", new=NEW)

    assert (wrong.status_code, wrong.json()["code"]) == (400, "password_refused")
    assert list(wrong.json()["fields"]) == ["current"]
    assert send(browser, "password/", current=PASSWORD, new=NEW).status_code == 400


@pytest.mark.parametrize(
    "action", ["", "name/", "password/", "email/", "authenticator/", "authenticator/confirm/", "recovery-codes/"]
)
def test_a_token_reaches_nothing_of_an_account(action: str) -> None:
    api = make_machine(make_tenant(), Role.ADMIN).api()
    body = {"name": "x", "current": PASSWORD, "new": NEW, "email": "x@x.example", "code": "000000"}

    response = send(api, action, **body) if action else api.get(PATH)

    assert response.status_code == 403
    assert response.json()["code"] in {"own_session_needed", "second_factor_impossible"}


def test_a_person_is_asked_what_was_done_to_another_by_permission(alice: Person) -> None:
    bob = make_person(alice.world, Role.OPERATOR, name="bob")
    url = f"/api/v1/members/{alice.id}/events/"

    shown = alice.browser().get(url)
    refused = bob.browser().get(url)
    foreign = make_member(make_tenant("globex"), Role.ADMIN).browser().get(url)

    assert [event["subject"] for event in shown.json()["results"]] == [str(alice.id)] * 3
    assert "salt" not in shown.content.decode()
    assert (refused.status_code, foreign.status_code) == (403, 404)


def test_another_persons_factors_are_reset(alice: Person) -> None:
    bob = make_member(alice.world, Role.OPERATOR, name="bob")
    browser = bob.browser()

    done = alice.browser().post(f"/api/v1/members/{bob.id}/reset-factors/")

    assert done.status_code == 204
    assert browser.get(PATH).status_code == 401
    assert [letter.subject for letter in post(alice.world)] == ["Your second factor was reset"]
