"""How sessions end, by whom and why; the tenant's own limits; and who may see and end whose."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.selectors import events
from identity.devices import device_name
from identity.errors import PermissionMissing
from identity.models import SecurityPolicy, Session
from identity.roles import Role
from identity.selectors import security_policy, sessions_of
from identity.services import (
    disable_principal,
    expire_sessions,
    revoke_session,
    revoke_sessions,
    set_security_policy,
    sign_out,
)
from identity.tasks import sweep_sessions
from tenants.errors import Invalid, NotAllowed, NotFound
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import SETUP, make_member, make_person
from tests.tenants.furnishing import as_administrator


def policy(world, *, by=SETUP, idle=60, session=720, passkeys=False):
    with world.acting():
        return set_security_policy(idle_minutes=idle, session_minutes=session, passkey_sign_in=passkeys, by=by)


def signed_in(person):
    """A browser, and the row of its session."""
    browser = person.browser()
    with person.world.acting():
        return browser, Session.objects.filter(principal_id=person.id).order_by("-id").first()


def age(person, **changed):
    """As the administrator: no process may write when a session began."""
    with as_administrator(), person.world.acting():
        Session.objects.filter(principal_id=person.id).update(**changed)


def ends(person):
    with person.world.acting():
        return list(Session.objects.filter(principal_id=person.id).order_by("id").values_list("end_reason", "ended_by"))


@pytest.fixture
def alice():
    return make_member(make_tenant())


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140.0 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "Unknown browser"),
        ("<script>alert(1)</script>", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_a_device_is_one_of_a_few_phrases(user_agent, name):
    assert device_name(user_agent) == name


def test_limits_are_the_defaults_until_they_are_set(alice):
    with alice.world.acting():
        assert not SecurityPolicy.objects.exists()
        assert security_policy().values() == {"idle_minutes": 60, "session_minutes": 720, "passkey_sign_in": False}


def test_policy_is_the_owners_and_recorded_with_before_and_after():
    world = make_tenant()
    owner, admin = make_person(world, Role.OWNER), make_person(world, Role.ADMIN, name="bob")

    policy(world, by=owner.actor, idle=15, passkeys=True)
    policy(world, by=owner.actor, idle=15, passkeys=True)  # nothing changed, nothing to record

    with pytest.raises(PermissionMissing):
        policy(world, by=admin.actor)
    with world.acting():
        assert SecurityPolicy.objects.get().idle_minutes == 15
        event = events().get(kind="tenant:security:set")
        assert b'"before":{"idle_minutes":60' in bytes(event.body)
        assert b'"after":{"idle_minutes":15' in bytes(event.body)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"idle": 4}, "idle_minutes"),
        ({"idle": 61}, "idle_minutes"),
        ({"session": 59}, "session_minutes"),
        ({"session": 721}, "session_minutes"),
    ],
)
def test_policy_has_bounds_that_the_database_holds_too(alice, given, field):
    with pytest.raises(Invalid) as refused:
        policy(alice.world, **given)
    assert refused.value.field == field

    policy(alice.world)
    with alice.world.acting(), pytest.raises(IntegrityError), transaction.atomic():
        SecurityPolicy.objects.update(**{field: next(iter(given.values()))})


def test_policy_is_one_tenants_alone(alice):
    globex = make_person(make_tenant("globex"))
    policy(alice.world, idle=5)
    age(alice, last_seen_at=timezone.now() - timedelta(minutes=6))
    browser, _ = signed_in(globex)
    age(globex, last_seen_at=timezone.now() - timedelta(minutes=6))

    assert browser.get("/whoami").status_code == 200


@pytest.mark.parametrize(("minutes", "status"), [(4, 200), (6, 302)])
def test_idle_limit_is_the_tenants(alice, minutes, status):
    policy(alice.world, idle=5)
    browser, _ = signed_in(alice)
    age(alice, last_seen_at=timezone.now() - timedelta(minutes=minutes))

    assert browser.get("/whoami").status_code == status


@pytest.mark.parametrize(("minutes", "status"), [(59, 200), (61, 302)])
def test_a_shorter_limit_holds_for_open_sessions_on_their_next_request(alice, minutes, status):
    browser, _ = signed_in(alice)
    age(alice, created_at=timezone.now() - timedelta(minutes=minutes))
    assert browser.get("/whoami").status_code == 200

    policy(alice.world, session=60)

    assert browser.get("/whoami").status_code == status


def test_limits_cost_a_request_no_query(alice):
    browser, _ = signed_in(alice)
    with CaptureQueriesContext(connection) as without:
        browser.get("/whoami")
    policy(alice.world, idle=5)
    with CaptureQueriesContext(connection) as having:
        browser.get("/whoami")

    assert len(having) == len(without)
    assert len([query for query in having if "identity_securitypolicy" in query["sql"]]) == 1


def test_a_session_does_not_end_without_a_reason(alice):
    signed_in(alice)
    with pytest.raises(IntegrityError):
        age(alice, ended_at=timezone.now())


def test_signing_out_and_being_disabled_are_told_apart():
    bob = make_person(make_tenant(), Role.OPERATOR, name="bob")
    _, first = signed_in(bob)
    signed_in(bob)
    with bob.world.acting():
        sign_out(first.pk, by=bob.actor)
        disable_principal(bob.id, by=SETUP)

    assert ends(bob) == [("signed_out", bob.user.email), ("disabled", "tests")]


def test_one_session_is_revoked_by_its_person(alice):
    mine, _ = signed_in(alice)
    other, row = signed_in(alice)

    with alice.world.acting():
        revoke_session(row.pk, by=alice.actor)
        revoke_session(row.pk, by=alice.actor)  # twice is once

    assert (mine.get("/whoami").status_code, other.get("/whoami").status_code) == (200, 302)
    assert ends(alice) == [("", ""), ("revoked", alice.user.email)]
    with alice.world.acting():
        assert events().get(kind="identity:session:revoke").subject_id == alice.id  # it is in the person's history


def test_all_others_are_revoked_and_this_one_stays(alice):
    others = [signed_in(alice)[0] for _ in range(3)]
    mine, row = signed_in(alice)
    bob = make_person(alice.world, name="bob")
    of_bob, _ = signed_in(bob)

    with alice.world.acting():
        assert revoke_sessions(alice.id, by=alice.actor, keep=row.pk) == 3

    assert [browser.get("/whoami").status_code for browser in (*others, mine, of_bob)] == [302] * 3 + [200] * 2


def test_an_admin_revokes_those_of_the_people_below(alice):
    bob = make_person(alice.world, Role.OPERATOR, name="bob")
    owner = make_person(alice.world, Role.OWNER, name="owner")
    _, of_bob = signed_in(bob)
    _, of_owner = signed_in(owner)

    with alice.world.acting():
        revoke_session(of_bob.pk, by=alice.actor)
        with pytest.raises(NotAllowed):
            revoke_session(of_owner.pk, by=alice.actor)
        with pytest.raises(NotAllowed):
            revoke_sessions(owner.id, by=alice.actor)
        with pytest.raises(NotAllowed):
            revoke_session(of_owner.pk, by=bob.actor)

    assert ends(bob) == [("revoked", alice.user.email)]
    assert ends(owner) == [("", "")]


def test_another_tenants_session_is_not_found(alice):
    mallory = make_person(make_tenant("globex"))
    _, row = signed_in(mallory)

    with alice.world.acting(), pytest.raises(NotFound):
        revoke_session(row.pk, by=alice.actor)


def test_a_customers_manager_sees_and_ends_those_of_the_customers_people_only():
    world = make_tenant()
    first, second = world.customers[:2]
    carol = make_person(world, Role.CUSTOMER_MANAGER, name="carol", customer=first)
    dave = make_person(world, Role.CUSTOMER_VIEWER, name="dave", customer=first)
    erin = make_person(world, Role.CUSTOMER_VIEWER, name="erin", customer=second)
    staff = make_person(world, Role.ADMIN, name="staff")
    rows = {person.id: signed_in(person)[1] for person in (carol, dave, erin, staff)}

    with world.acting(first, principal=carol.id):
        seen = set(Session.objects.values_list("principal_id", flat=True))
        revoke_session(rows[dave.id].pk, by=carol.actor)
        for hidden in (erin, staff):
            with pytest.raises(NotFound):
                revoke_session(rows[hidden.id].pk, by=carol.actor)
    with world.acting(first, principal=dave.id):
        revoke_sessions(dave.id, by=dave.actor)

    assert seen == {carol.id, dave.id}
    assert ends(dave) == [("revoked", carol.user.email)]


def test_the_sweep_says_how_sessions_ended(alice, settings):
    now = timezone.now()
    idle, absolute, live = (signed_in(alice)[1] for _ in range(3))
    age_one(alice, idle, last_seen_at=now - timedelta(minutes=90))
    age_one(alice, absolute, expires_at=now - timedelta(minutes=1))
    globex = make_person(make_tenant("globex"))
    signed_in(globex)
    age(globex, created_at=now - timedelta(hours=13), expires_at=now - timedelta(hours=1))
    settings.MSPLEX_PROCESS = "worker"

    with as_role("worker"):
        sweep_sessions()

    with alice.world.acting():
        row = Session.objects.get(id=idle.pk)
        assert (row.end_reason, row.ended_at) == ("idle", now - timedelta(minutes=30))
        row = Session.objects.get(id=absolute.pk)
        assert (row.end_reason, row.ended_at) == ("absolute", now - timedelta(minutes=1))
        assert Session.objects.get(id=live.pk).ended_at is None
        assert events().filter(kind="identity:session:expire").count() == 2
    assert ends(globex) == [("absolute", "")]


def age_one(person, row, **changed):
    with person.world.acting():
        Session.objects.filter(id=row.pk).update(**changed)


def test_the_sweep_goes_on_after_a_batch(alice, monkeypatch):
    monkeypatch.setattr("identity.services.revoking.BATCH", 2)
    for _ in range(5):
        signed_in(alice)
    age(alice, last_seen_at=timezone.now() - timedelta(hours=2))

    with as_role("worker"), alice.world.acting():
        assert expire_sessions() == 5
        assert expire_sessions() == 0


def test_the_worker_may_end_a_session_and_change_nothing_else(alice):
    signed_in(alice)
    with as_role("worker"):
        for column in ("expires_at", "last_seen_at"):
            with pytest.raises(Exception, match="permission denied"), alice.world.acting():
                Session.objects.update(**{column: timezone.now()})


def test_history_keeps_what_is_over_newest_first(alice):
    rows = [signed_in(alice)[1] for _ in range(3)]
    with alice.world.acting():
        revoke_session(rows[1].pk, by=alice.actor)
        assert [row.pk for row in sessions_of(alice.id)] == [row.pk for row in reversed(rows)]
