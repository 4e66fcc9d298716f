"""Two factors, one answer for every wrong first step, codes that work once, guessing that gets slow."""

import base64
import threading
import time
from datetime import timedelta

import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection
from django.utils import timezone

from audit.errors import AuditUnavailable
from audit.selectors import events
from identity.cookies import PENDING_SECONDS, PendingSignIn, SessionCookie
from identity.errors import CodeRefused, SignInRefused
from identity.factors import accept_totp
from identity.models import Attempts, RecoveryCode, Session, TotpDevice
from identity.roles import Role
from identity.services import (
    Client,
    begin_enrolment,
    disable_principal,
    enable_principal,
    sign_in,
    sign_in_code,
    sign_in_password,
)
from identity.services.factors import reset_factors
from tests.conftest import role_url
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, SETUP, fresh_step, make_member, make_person

HOME = Client("192.0.2.1", "tests")


def _password(person, password=PASSWORD, client=HOME):
    return sign_in_password(workspace=person.world.workspace, email=person.user.email, password=password, client=client)


def _sessions(person):
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id, ended_at=None).count()


def _forget_delay(person):
    with person.world.acting():
        Attempts.objects.update(last_at=timezone.now() - timedelta(minutes=16))


def test_both_factors_open_a_session():
    alice = make_member(make_tenant())

    pending = _password(alice)
    assert _sessions(alice) == 0
    signed_in = sign_in_code(pending, alice.code(), client=HOME)

    cookie = SessionCookie.read(signed_in.cookie)
    assert cookie.principal_id == alice.id
    with alice.world.acting():
        row = Session.objects.get(principal_id=alice.id)
        assert bytes(row.key_hash) == cookie.key_hash()
        assert cookie.key not in bytes(row.key_hash)
        assert row.mfa_at is not None
        assert events().filter(kind="identity:session:create", actor_id=alice.id).exists()


def test_workspace_and_email_are_not_case_sensitive():
    alice = make_member(make_tenant())
    pending = sign_in_password(
        workspace=f" {alice.world.workspace.upper()} ", email=alice.user.email.upper(), password=PASSWORD, client=HOME
    )
    assert pending.user_id == alice.id


def _wrong(person, part):
    given = {"workspace": person.world.workspace, "email": person.user.email, "password": PASSWORD}
    return given | {part: {"workspace": "nowhere", "email": "nobody@x.example", "password": "wrong"}[part]}


@pytest.mark.parametrize("part", ["workspace", "email", "password", "disabled", "other tenant"])
def test_every_wrong_first_step_has_one_answer(part):
    alice = make_member(make_tenant())
    given = _wrong(alice, part) if part in {"workspace", "email", "password"} else _wrong(alice, "password")
    if part == "disabled":
        with alice.world.acting():
            disable_principal(alice.id, by=SETUP)
        given["password"] = PASSWORD
    if part == "other tenant":
        given = given | {"workspace": make_tenant("globex").workspace, "password": PASSWORD}

    with pytest.raises(SignInRefused) as refused:
        sign_in_password(**given, client=HOME)

    assert str(refused.value) == str(SignInRefused())
    assert _sessions(alice) == 0


@pytest.mark.parametrize("part", ["workspace", "email", "password"])
def test_every_wrong_first_step_checks_one_password_and_waits(monkeypatch, part):
    alice = make_member(make_tenant())
    checks, naps = [], []
    monkeypatch.setattr(sign_in, "check_password", lambda *args: checks.append(args) and False)
    monkeypatch.setattr(sign_in, "REFUSAL_SECONDS", 0.4)
    monkeypatch.setattr(sign_in.time, "sleep", naps.append)

    with pytest.raises(SignInRefused):
        sign_in_password(**_wrong(alice, part), client=HOME)

    assert len(checks) == 1
    assert 0 < naps[0] <= 0.4


def test_a_refused_password_is_recorded():
    alice = make_member(make_tenant())
    with pytest.raises(SignInRefused):
        _password(alice, "wrong")

    with alice.world.acting():
        assert events().filter(kind="identity:session:refuse", result="refused", actor_id=alice.id).count() == 1


def test_guessing_gets_slow_and_is_forgiven_with_time():
    alice = make_member(make_tenant())
    for _ in range(6):
        with pytest.raises(SignInRefused):
            _password(alice, "wrong")

    with pytest.raises(SignInRefused):
        _password(alice)  # right, and too early
    assert _password(alice, client=Client("192.0.2.2")).user_id == alice.id  # not a weapon against her
    _forget_delay(alice)
    assert _password(alice).user_id == alice.id


def test_tries_while_it_is_slow_do_not_make_it_slower():
    alice = make_member(make_tenant())
    for _ in range(20):
        with pytest.raises(SignInRefused):
            _password(alice, "wrong")

    with alice.world.acting():
        assert max(Attempts.objects.values_list("count", flat=True)) <= 7


def test_a_code_is_accepted_once():
    alice = make_member(make_tenant())
    fresh_step()
    code = alice.code()
    sign_in_code(_password(alice), code, client=HOME)

    with pytest.raises(CodeRefused):
        sign_in_code(_password(alice), code, client=HOME)


def test_a_code_is_accepted_once_of_two_at_the_same_moment():
    alice = make_member(make_tenant())
    fresh_step()
    with alice.world.acting():
        device = TotpDevice.objects.get(user=alice.user)
    barrier, results = threading.Barrier(8), []

    def use(code):
        barrier.wait()
        with alice.world.acting():
            results.append(accept_totp(device, code))
        connection.close()

    threads = [threading.Thread(target=use, args=(alice.code(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False] * 7 + [True]


@pytest.mark.parametrize("code", ["", "abcdef", "12345", "1234567", "000000\n0", "-12345", "٣٣٣٣٣٣"])
def test_what_is_not_a_code_is_refused(code):
    alice = make_member(make_tenant())
    with pytest.raises(CodeRefused):
        sign_in_code(_password(alice), code, client=HOME)


def test_codes_are_slowed_for_the_account_from_everywhere():
    alice = make_member(make_tenant())
    pending = _password(alice)
    for number in range(6):
        with pytest.raises(CodeRefused):
            sign_in_code(pending, "abcdef", client=Client(f"192.0.2.{number}"))

    with pytest.raises(CodeRefused):
        sign_in_code(pending, alice.code(), client=Client("198.51.100.1"))
    _forget_delay(alice)
    assert sign_in_code(pending, alice.code(), client=HOME).cookie


def test_a_recovery_code_works_once_however_it_is_typed():
    alice = make_member(make_tenant())
    code = alice.recovery_codes[0].upper().replace("-", " ")

    assert sign_in_code(_password(alice), code, client=HOME).cookie
    with pytest.raises(CodeRefused):
        sign_in_code(_password(alice), code, client=HOME)
    with alice.world.acting():
        assert RecoveryCode.objects.filter(user=alice.user, used_at=None).count() == 9


def test_another_persons_recovery_code_is_refused():
    acme = make_tenant()
    alice, bob = make_member(acme), make_member(acme, name="bob")
    with pytest.raises(CodeRefused):
        sign_in_code(_password(alice), bob.recovery_codes[0], client=HOME)


def test_the_first_sign_in_sets_up_the_second_factor():
    alice = make_person(make_tenant())
    pending = _password(alice)
    assert not pending.enrolled

    enrolment = begin_enrolment(pending)
    assert begin_enrolment(pending) == enrolment  # reloading the page shows the same
    assert alice.world.workspace in enrolment.url
    alice.seed = _seed(enrolment.secret)
    signed_in = sign_in_code(pending, alice.code(), client=HOME)

    assert len(signed_in.recovery_codes) == 10
    with pytest.raises(Exception, match="already set up"):
        begin_enrolment(pending)


def _seed(secret):

    return base64.b32decode(secret + "=" * (-len(secret) % 8))


def test_the_seed_is_not_in_the_database():
    alice = make_member(make_tenant())
    with alice.world.acting():
        sealed = bytes(TotpDevice.objects.get(user=alice.user).sealed_seed)
    assert alice.seed not in sealed


def test_a_seed_moved_to_another_person_does_not_open():

    acme = make_tenant()
    alice, bob = make_member(acme), make_member(acme, name="bob")
    with acme.acting():
        stolen = TotpDevice.objects.get(user=alice.user).sealed_seed
        TotpDevice.objects.filter(user=bob.user).update(sealed_seed=stolen)

    with pytest.raises(InvalidTag):
        sign_in_code(_password(bob), alice.code(), client=HOME)


@pytest.mark.parametrize("enabled_again", [False, True])
def test_a_half_finished_sign_in_ends_with_the_account(enabled_again):
    alice = make_member(make_tenant())
    pending = _password(alice)
    sealed = pending.sealed()
    assert PendingSignIn.read(sealed) == pending
    assert PendingSignIn.read(sealed + "x") is None
    with alice.world.acting():
        disable_principal(alice.id, by=SETUP)
        if enabled_again:
            enable_principal(alice.id, by=SETUP)

    with pytest.raises(CodeRefused):
        sign_in_code(pending, alice.code(), client=HOME)


def test_a_half_finished_sign_in_ends_with_time(monkeypatch):
    sealed = _password(make_member(make_tenant())).sealed()
    later = time.time() + PENDING_SECONDS + 1
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert PendingSignIn.read(sealed) is None


def test_the_half_finished_cookie_is_no_session():
    alice = make_member(make_tenant())
    assert SessionCookie.read(_password(alice).sealed()) is None


def test_reset_factors_starts_over_and_signs_out():
    alice = make_member(make_tenant(), Role.OPERATOR)
    sign_in_code(_password(alice), alice.code(), client=HOME)
    with alice.world.acting():
        reset_factors(alice.user, by=SETUP)

    assert _sessions(alice) == 0
    assert not _password(alice).enrolled


def test_an_unwritable_log_lets_nobody_in(scratch_database):

    with scratch_database("app"):
        alice = make_member(make_tenant())
        with psycopg.connect(role_url("msplex_migrator", scratch_database.name), autocommit=True) as owner:
            owner.execute("SET ROLE msplex_owner")
            owner.execute("REVOKE INSERT ON audit_event FROM msplex_app")
        pending = _password(alice)
        with pytest.raises(AuditUnavailable):
            sign_in_code(pending, alice.code(), client=HOME)
        assert _sessions(alice) == 0


def test_made_up_names_fill_neither_the_table_nor_the_log():
    alice = make_member(make_tenant())
    for number in range(12):
        with pytest.raises(SignInRefused):
            sign_in_password(
                workspace=alice.world.workspace, email=f"p{number}@x.example", password=PASSWORD, client=HOME
            )

    with alice.world.acting():
        assert Attempts.objects.count() == 1
        assert events().filter(kind="identity:session:refuse").count() <= 6
    assert _password(alice).user_id == alice.id
