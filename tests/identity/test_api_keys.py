"""The API twins: passkeys of the person who asks, sessions in sight, and the tenant's limits for owners."""

import json

import pytest
from django.conf import settings
from django.test import Client as Browser

from identity.models import Passkey, Session
from identity.roles import Role
from identity.services import bind_role
from tests.factories import make_tenant
from tests.identity.authenticator import Authenticator
from tests.identity.factories import SETUP, make_machine, make_member, make_person

JSON = "application/json"


def post(client, path, body=None):
    return client.post(f"/api/v1/{path}/", json.dumps(body or {}), content_type=JSON)


def test_a_person_adds_names_and_removes_a_passkey():
    alice = make_member(make_tenant())
    browser = alice.browser()

    begun = post(browser, "passkeys/options").json()
    made = post(
        browser,
        "passkeys",
        {"name": "Phone", "state": begun["state"], "answer": Authenticator().make(begun["options"])},
    )
    again = post(
        browser,
        "passkeys",
        {"name": "Phone", "state": begun["state"], "answer": Authenticator().make(begun["options"])},
    )
    url = f"/api/v1/passkeys/{made.json()['id']}/"
    renamed = browser.patch(url, json.dumps({"name": "Old phone"}), content_type=JSON)
    listed = browser.get("/api/v1/passkeys/").json()["results"]
    removed = browser.delete(url)

    assert (made.status_code, again.status_code, again.json()["code"]) == (201, 401, "passkey_refused")
    assert renamed.json()["name"] == "Old phone"
    assert [row["name"] for row in listed] == ["Old phone"]
    assert set(listed[0]) == {"id", "name", "synced", "created_at", "last_used_at"}
    assert removed.status_code == 204
    with alice.world.acting():
        assert not Passkey.objects.exists()


def test_the_last_factor_stays_over_the_api_too():
    carol = make_person(make_tenant())
    with carol.world.acting():
        passkey = Passkey.objects.create(user=carol.user, name="Only", credential_id=b"only")

    refused = carol.browser().delete(f"/api/v1/passkeys/{passkey.pk}/")

    assert (refused.status_code, refused.json()["code"]) == (409, "last_factor")


def test_a_machine_has_no_passkeys():
    api = make_machine(make_tenant(), Role.OWNER).api()

    assert api.get("/api/v1/passkeys/").json()["results"] == []
    assert post(api, "passkeys/options").status_code == 403


def test_another_persons_passkey_is_not_there():
    world = make_tenant()
    alice, bob = make_member(world), make_member(world, name="bob")
    with world.acting():
        passkey = Passkey.objects.create(user=bob.user, name="Bob's", credential_id=b"bob")

    assert alice.browser().get(f"/api/v1/passkeys/{passkey.pk}/").status_code == 404
    assert alice.browser().delete(f"/api/v1/passkeys/{passkey.pk}/").status_code == 404


def test_changes_need_the_forms_token():
    browser = Browser(enforce_csrf_checks=True)
    browser.cookies = make_member(make_tenant()).browser().cookies

    assert post(browser, "passkeys/options").status_code == 403
    assert post(browser, "sessions/revoke").status_code == 403


def seen_by(client, **query):
    return {row["person"] for row in client.get("/api/v1/sessions/", query).json()["results"]}


def test_sessions_are_seen_by_those_who_see_their_people():
    world = make_tenant()
    first, second = world.customers[:2]
    people = {
        "admin": make_person(world, Role.ADMIN, name="admin"),
        "bob": make_person(world, Role.OPERATOR, name="bob"),
        "carol": make_person(world, Role.CUSTOMER_MANAGER, name="carol", customer=first),
        "dave": make_person(world, Role.CUSTOMER_VIEWER, name="dave", customer=first),
        "erin": make_person(world, Role.CUSTOMER_VIEWER, name="erin", customer=second),
    }
    browsers = {name: person.browser() for name, person in people.items()}
    email = {name: person.user.email for name, person in people.items()}

    assert seen_by(browsers["admin"]) == set(email.values())
    assert seen_by(browsers["admin"], principal=people["bob"].id) == {email["bob"]}
    assert seen_by(browsers["bob"]) == {email["bob"]}
    assert seen_by(browsers["bob"], principal=people["dave"].id) == set()
    assert seen_by(browsers["carol"]) == {email["carol"], email["dave"]}
    assert seen_by(browsers["erin"]) == {email["erin"]}


def test_a_tenant_wide_role_that_sees_no_people_does_not_widen_a_customers_managers_sight():
    world = make_tenant()
    carol = make_person(world, Role.CUSTOMER_MANAGER, name="carol", customer=world.customers[0])
    staff = make_person(world, Role.ADMIN, name="staff")
    staff.browser()
    with world.acting():
        bind_role(carol.user.principal, role=Role.VIEWER, customer=None, by=SETUP)

    assert seen_by(carol.browser()) == {carol.user.email}


def test_a_session_shows_what_is_known_and_nothing_that_opens_it():
    alice = make_member(make_tenant())
    browser = alice.browser()

    (row,) = browser.get("/api/v1/sessions/").json()["results"]

    assert row["current"] is True
    assert (row["device"], row["address"], row["mfa_method"]) == ("Unknown browser", "127.0.0.1", "totp")
    with alice.world.acting():
        key = bytes(Session.objects.get(id=row["id"]).key_hash).hex()
    assert key not in json.dumps(row)
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value not in json.dumps(row)


def test_sessions_are_ended_one_by_one_and_together():
    alice = make_member(make_tenant())
    mine, *others = (alice.browser() for _ in range(4))
    rows = mine.get("/api/v1/sessions/", {"open": "true"}).json()["results"]
    target = next(row for row in rows if not row["current"])

    one = post(mine, f"sessions/{target['id']}/revoke")
    rest = post(mine, "sessions/revoke")

    assert (one.status_code, rest.json()) == (204, {"ended": 2})
    assert mine.get("/api/v1/sessions/").status_code == 200
    assert {other.get("/api/v1/sessions/").status_code for other in others} == {401}
    ended = mine.get("/api/v1/sessions/", {"open": "false"}).json()["results"]
    assert {(row["end_reason"], row["ended_by"]) for row in ended} == {("revoked", alice.user.email)}


def test_an_admin_cannot_end_an_owners():
    world = make_tenant()
    owner, admin = make_person(world, Role.OWNER), make_person(world, Role.ADMIN, name="admin")
    browser = owner.browser()
    session = browser.get("/api/v1/sessions/").json()["results"][0]["id"]

    assert post(admin.browser(), f"sessions/{session}/revoke").status_code == 403
    assert post(admin.browser(), "sessions/revoke", {"principal": str(owner.id)}).status_code == 403
    assert browser.get("/api/v1/sessions/").status_code == 200


@pytest.mark.parametrize("query", [{"principal": "x"}, {"principal": "*"}])
def test_a_strange_filter_is_refused(query):
    response = make_person(make_tenant()).browser().get("/api/v1/sessions/", query)

    assert response.status_code == 400
    assert list(response.json()["fields"]) == list(query)


def test_the_policy_is_the_owners():
    world = make_tenant()
    owner, admin = make_person(world, Role.OWNER), make_person(world, Role.ADMIN, name="admin")
    wanted = {"idle_minutes": 15, "session_minutes": 480, "passkey_sign_in": True}

    before = owner.browser().get("/api/v1/security-policy/").json()
    done = post(owner.browser(), "security-policy", wanted)
    wrong = post(owner.browser(), "security-policy", wanted | {"idle_minutes": 61})

    assert before == {"idle_minutes": 60, "session_minutes": 720, "passkey_sign_in": False}
    assert done.json() == owner.browser().get("/api/v1/security-policy/").json() == wanted
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["idle_minutes"])
    assert admin.browser().get("/api/v1/security-policy/").status_code == 403
    assert post(admin.browser(), "security-policy", wanted).status_code == 403
