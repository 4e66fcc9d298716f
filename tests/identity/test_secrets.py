"""Secrets of automation: two live, rotation, revocation, reuse, address ranges, owners."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.utils import timezone

from audit.selectors import events
from identity import credentials
from identity.errors import ClientRefused, OwnerInactive, TokenRefused
from identity.models import Principal, ServiceAccount, ServiceAccountSecret
from identity.roles import Role
from identity.services import (
    Client,
    amend_service_account,
    create_service_account,
    disable_principal,
    enable_principal,
    exchange_secret,
    revoke_all_secrets,
    revoke_secret,
    rotate_secret,
)
from identity.tokens import load_principal, read_access_token
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tests.factories import make_tenant
from tests.identity.factories import SETUP, make_machine, make_person

HOUR = timedelta(hours=1)
State = ServiceAccountSecret.State


@pytest.fixture
def machine():
    return make_machine(make_tenant())


def rotate(machine, **kwargs):
    with machine.world.acting():
        return rotate_secret(machine.account, **kwargs, by=SETUP)[1]


def exchange(machine, secret, address="127.0.0.1"):
    return exchange_secret(machine.client_id, secret, resource=settings.GATEWAY_RESOURCE, client=Client(address))


def is_good(machine, secret, address="127.0.0.1"):
    try:
        return bool(exchange(machine, secret, address).access_token)
    except ClientRefused:
        return False


def holds(machine, token, address="127.0.0.1"):
    claims = read_access_token(token, audience=settings.GATEWAY_RESOURCE)
    try:
        with acting_for(Context(claims.tenant_id, (), claims.principal_id)), transaction.atomic():
            return bool(load_principal(claims, address).grants)
    except TokenRefused:
        return False


def rows(machine):
    with machine.world.acting():
        return list(ServiceAccountSecret.objects.filter(account=machine.account).order_by("id"))


def end_overlap(machine):
    with machine.world.acting():
        ServiceAccountSecret.objects.filter(account=machine.account, state=State.PREVIOUS).update(
            expires_at=timezone.now()
        )


def test_rotation_keeps_the_old_secret_for_the_overlap(machine):
    new = rotate(machine)

    assert is_good(machine, machine.secret)
    assert is_good(machine, new)
    previous, current = rows(machine)
    assert (previous.state, current.state) == (State.PREVIOUS, State.CURRENT)
    assert abs(previous.expires_at - previous.superseded_at - timedelta(hours=24)) < timedelta(seconds=1)


def test_rotation_without_overlap_ends_the_old_one_at_once(machine):
    new = rotate(machine, overlap=timedelta(0))

    assert is_good(machine, new)
    assert not is_good(machine, machine.secret)


def test_third_secret_ends_the_first(machine):
    second = rotate(machine)
    third = rotate(machine)

    assert [is_good(machine, each) for each in (second, third)] == [True, True]
    assert [row.state for row in rows(machine)] == [State.RETIRED, State.PREVIOUS, State.CURRENT]


@pytest.mark.parametrize("state", ["current", "previous"])
def test_database_lets_no_third_secret_live(machine, state):
    rotate(machine)
    now = timezone.now()
    with machine.world.acting(), pytest.raises(IntegrityError, match="identity_secret_two_live"), transaction.atomic():
        ServiceAccountSecret.objects.create(
            account=machine.account, digest=b"x" * 32, prefix="x", state=state, created_by="x", expires_at=now + HOUR,
            superseded_at=now if state == "previous" else None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"expires_at": timezone.now() + timedelta(days=370)}, "identity_secret_ends"),
        ({"state": "previous", "superseded_at": None}, "identity_secret_overlap"),
        (
            {
                "state": "previous",
                "superseded_at": timezone.now(),
                "expires_at": timezone.now() + timedelta(days=7, minutes=10),
            },
            "identity_secret_overlap",
        ),
        ({"state": "revoked"}, "identity_secret_revoked"),
        ({"state": "forever"}, "identity_secret_state"),
        ({"expires_at": None}, "null value"),
    ],
)
def test_database_lets_no_secret_be_endless(machine, wrong, constraint):
    with machine.world.acting(), pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ServiceAccountSecret.objects.filter(account=machine.account).update(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": ""},
        {"owner": None},
        {"expires_at": None},
        {"expires_at": timezone.now() + timedelta(days=370)},
        {"token_seconds": 3601},
    ],
)
def test_database_wants_an_owner_a_purpose_and_an_end(machine, wrong):
    with machine.world.acting(), pytest.raises(IntegrityError), transaction.atomic():
        ServiceAccount.objects.filter(id=machine.id).update(**wrong)


@pytest.mark.parametrize("overlap", [timedelta(days=7, seconds=1), timedelta(seconds=-1)])
def test_overlap_has_bounds(machine, overlap):
    with pytest.raises(Invalid):
        rotate(machine, overlap=overlap)


@pytest.mark.parametrize("change", ["rotate", "revoke", "revoke all"])
def test_tokens_are_refused_on_their_next_use(machine, change):
    token = machine.token()
    assert holds(machine, token)

    with machine.world.acting():
        match change:
            case "rotate":
                rotate_secret(machine.account, by=SETUP)
            case "revoke":
                revoke_secret(ServiceAccountSecret.objects.get(account=machine.account), by=SETUP)
            case "revoke all":
                revoke_all_secrets(machine.account, by=SETUP)

    assert not holds(machine, token)


def test_one_secret_is_revoked_and_the_other_stays(machine):
    new = rotate(machine)
    with machine.world.acting():
        old = ServiceAccountSecret.objects.get(account=machine.account, state=State.PREVIOUS)
        revoke_secret(old, by=SETUP)

    assert not is_good(machine, machine.secret)
    assert is_good(machine, new)


def test_all_secrets_are_revoked(machine):
    new = rotate(machine)
    with machine.world.acting():
        revoke_all_secrets(machine.account, by=SETUP)

    assert [is_good(machine, each) for each in (machine.secret, new)] == [False, False]
    assert is_good(machine, rotate(machine))


def test_replaced_secret_after_its_overlap_locks_the_account_and_alerts(machine):
    new = rotate(machine)
    token = exchange(machine, new).access_token
    end_overlap(machine)

    assert not is_good(machine, machine.secret)

    assert not holds(machine, token)
    assert not is_good(machine, new)
    with machine.world.acting():
        account = ServiceAccount.objects.select_related("principal").get(id=machine.id)
        assert account.locked_at
        assert account.principal.is_disabled
        alert = events().get(kind="identity:service_account:lock")
        assert b'"alert":true' in bytes(alert.body)
        enable_principal(machine.id, by=SETUP)
        assert ServiceAccount.objects.get(id=machine.id).locked_at is None
    assert is_good(machine, new)


def test_replaced_secret_within_its_overlap_locks_nothing(machine):
    rotate(machine)

    assert is_good(machine, machine.secret)
    with machine.world.acting():
        assert ServiceAccount.objects.get(id=machine.id).locked_at is None


@pytest.mark.parametrize("known", ["revoked", "wrong", "expired"])
def test_other_bad_secrets_lock_nothing(machine, known):
    """Or anyone who knows a client id, or a secret that was given up, could lock others out."""
    secret = machine.secret
    with machine.world.acting():
        match known:
            case "revoked":
                revoke_all_secrets(machine.account, by=SETUP)
            case "wrong":
                secret = credentials.new_secret()
            case "expired":
                ServiceAccountSecret.objects.filter(account=machine.account).update(expires_at=timezone.now())

    assert not is_good(machine, secret)
    with machine.world.acting():
        assert not Principal.objects.get(id=machine.id).is_disabled


def test_same_rotation_twice_happens_once(machine):
    replaces = rows(machine)[0].prefix
    rotate(machine, replaces=replaces)

    for unknown in (replaces, "mspx_sa_none"):
        with pytest.raises(Conflict) as refused:
            rotate(machine, replaces=unknown)
        assert refused.value.code == "already_rotated"


def test_rotations_at_once_leave_two_good_secrets(machine):
    made, barrier = [], threading.Barrier(4)

    def one():
        barrier.wait()
        made.append(rotate(machine))
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    states = sorted(row.state for row in rows(machine))
    assert (len(made), states) == (4, ["current", "previous", "retired", "retired", "retired"])


@pytest.mark.parametrize(
    ("networks", "address", "good"),
    [
        ((), "203.0.113.9", True),
        (("203.0.113.0/24",), "203.0.113.9", True),
        (("203.0.113.0/24",), "203.0.114.9", False),
        (("203.0.113.0/24",), "::ffff:203.0.113.9", True),
        (("198.51.100.7", "2001:db8::/32"), "2001:db8::1", True),
        (("2001:db8::/32",), "203.0.113.9", False),
        (("203.0.113.0/24",), "", False),
        (("203.0.113.0/24",), "unknown", False),
    ],
)
def test_addresses_are_held_to_the_ranges_at_exchange_and_at_use(machine, networks, address, good):
    token = machine.token()
    owner = machine.account.owner
    with machine.world.acting():
        amend_service_account(machine.account, purpose="tests", owner=owner, networks=networks, by=SETUP)

    assert is_good(machine, machine.secret, address) is good
    assert holds(machine, token, address) is good


def test_ranges_hold_for_tokens_at_the_api(machine):
    api = make_machine(machine.world, Role.ADMIN).api()
    assert api.get("/api/v1/customers/").status_code == 200
    with machine.world.acting():
        for each in ServiceAccount.objects.select_related("owner__principal"):
            amend_service_account(each, purpose="t", owner=each.owner, networks=["203.0.113.0/24"], by=SETUP)

    assert api.get("/api/v1/customers/").status_code == 401
    assert api.get("/api/v1/customers/", REMOTE_ADDR="203.0.113.4").status_code == 200


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "everywhere", "300.0.0.0/8", "10.0.0.0/33"])
def test_wrong_range_is_named(machine, wrong):
    with machine.world.acting(), pytest.raises(Invalid) as refused:
        amend_service_account(machine.account, purpose="t", owner=machine.account.owner, networks=[wrong], by=SETUP)

    assert (refused.value.field, wrong in refused.value.message) == ("networks", True)


def test_last_use_says_when_and_from_where(machine):
    exchange(machine, machine.secret, "198.51.100.7")

    with machine.world.acting():
        account = ServiceAccount.objects.get(id=machine.id)
    used = rows(machine)[0]
    assert account.last_used_address == used.last_used_address == "198.51.100.7"
    assert account.last_used_at == used.last_used_at


def test_account_of_a_disabled_owner_gets_no_new_secret():
    acme = make_tenant()
    make_person(acme, Role.OWNER, name="boss")
    bob, alice = make_person(acme, Role.ADMIN, name="bob"), make_person(acme, Role.ADMIN)
    machine = make_machine(acme, owner=bob)
    browser = alice.browser()
    path = f"/api/v1/service-accounts/{machine.id}/"
    with acme.acting():
        disable_principal(bob.id, by=SETUP)

    assert browser.get(path).json()["owner_active"] is False
    assert browser.post(f"{path}secrets/", {}, "application/json").json()["code"] == "owner_inactive"
    with acme.acting(), pytest.raises(OwnerInactive):
        rotate_secret(machine.account, by=SETUP)
    assert browser.patch(path, {"owner": str(alice.id)}, "application/json").json()["owner_active"] is True
    assert browser.post(f"{path}secrets/", {}, "application/json").status_code == 201


def test_disabled_person_cannot_become_the_owner(machine):
    bob = make_person(machine.world, name="bob")
    with machine.world.acting():
        disable_principal(bob.id, by=SETUP)
        bob.user.principal.refresh_from_db()
        with pytest.raises(Invalid):
            amend_service_account(machine.account, purpose="t", owner=bob.user, networks=(), by=SETUP)
        with pytest.raises(Invalid):
            create_service_account(name="x", purpose="t", owner=bob.user, role=Role.VIEWER, by=SETUP)


def test_admin_cannot_rotate_what_holds_more(machine):
    admin = make_person(machine.world, Role.ADMIN)
    strong = make_machine(machine.world, Role.OWNER)

    response = admin.browser().post(f"/api/v1/service-accounts/{strong.id}/secrets/", {}, "application/json")

    assert (response.status_code, response.json()["code"]) == (403, "holds_more")


def test_api_rotates_lists_and_revokes(machine):
    browser = make_person(machine.world).browser()
    path = f"/api/v1/service-accounts/{machine.id}/secrets/"

    made = browser.post(path, {"overlap_hours": 1}, "application/json").json()
    listed = browser.get(path)

    assert is_good(machine, made["client_secret"])
    assert [row["state"] for row in listed.json()] == ["current", "previous"]
    assert made["client_secret"] not in listed.content.decode()
    assert "digest" not in listed.json()[0]
    assert browser.delete(f"{path}{made['id']}/").status_code == 204
    assert browser.delete(f"{path}{made['id']}/").json()["code"] == "already_revoked"
    assert browser.delete(path).status_code == 204
    assert not is_good(machine, machine.secret)


def test_secret_of_another_account_is_not_found_there(machine):
    browser, other = make_person(machine.world).browser(), make_machine(machine.world)

    assert browser.delete(f"/api/v1/service-accounts/{machine.id}/secrets/{rows(other)[0].pk}/").status_code == 404


def test_changes_are_recorded_without_the_secret(machine):
    new = rotate(machine)
    with machine.world.acting():
        amend_service_account(machine.account, purpose="New", owner=machine.account.owner, networks=(), by=SETUP)
        revoke_all_secrets(machine.account, by=SETUP)
        kinds = [event.kind for event in events().filter(subject_id=machine.id)[:3]]
        bodies = b"".join(bytes(event.body) for event in events())

    assert kinds == ["identity:secret:revoke", "identity:service_account:change", "identity:secret:rotate"]
    assert new[12:].encode() not in bodies
    assert b'"before":{' in bodies


def test_automation_does_not_rotate_itself(machine):
    api = make_machine(machine.world, Role.ADMIN).api()

    response = api.post(f"/api/v1/service-accounts/{machine.id}/secrets/")

    assert response.json()["code"] == "second_factor_impossible"


def test_strangers_are_asked_to_authenticate(machine):
    assert Browser().post(f"/api/v1/service-accounts/{machine.id}/secrets/").status_code == 401
