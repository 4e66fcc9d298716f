"""Passkeys: what opens a session and what does not; each challenge for one visitor and one answer."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.selectors import events
from identity import passkeys
from identity.cookies import SessionCookie
from identity.errors import CodeRefused, LastFactor, PasskeyNotEnough, PasskeyRefused
from identity.models import Passkey, Session, SpentChallenge, TotpDevice
from identity.roles import Role
from identity.services import (
    Client,
    begin_enrolment,
    begin_first_passkey,
    begin_passwordless,
    begin_registration,
    begin_second_factor,
    disable_principal,
    forget_challenges,
    make_recovery_codes,
    register_passkey,
    remove_passkey,
    rename_passkey,
    reset_factors,
    set_security_policy,
    sign_in_code,
    sign_in_first_passkey,
    sign_in_passkey,
    sign_in_password,
    sign_in_passwordless,
)
from tenants.errors import Conflict, NotAllowed, NotFound
from tenants.ids import uuid7
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.authenticator import Authenticator
from tests.identity.factories import PASSWORD, SETUP, make_member, make_person

HOME = Client("192.0.2.1", "tests")
BROWSER = "form token of a browser"


@pytest.fixture(autouse=True)
def _no_floor_for_passkeys(monkeypatch):
    monkeypatch.setattr("identity.services.passkey_sign_in.REFUSAL_SECONDS", 0)


def _session(person):
    """The id of a new session of the person."""
    person.browser()
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id).order_by("-id").first().pk


def register(person, device=None, name="Laptop", session=None):
    device, session = device or Authenticator(), session or _session(person)
    with person.world.acting(principal=person.id):
        begun = begin_registration(person.user, session_id=session)
        answer = device.make(begun.options)
        register_passkey(person.user, name=name, state=begun.state, answer=answer, session_id=session, by=person.actor)
    return device


def _password(person):
    return sign_in_password(workspace=person.world.workspace, email=person.user.email, password=PASSWORD, client=HOME)


def second_factor(person, device, pending=None):
    pending = pending or _password(person)
    begun = begin_second_factor(pending)
    return sign_in_passkey(pending, state=begun.state, answer=device.sign(begun.options), client=HOME)


def passwordless(device, begun=None, browser=BROWSER):
    begun = begun or begin_passwordless(BROWSER)
    return sign_in_passwordless(state=begun.state, answer=device.sign(begun.options), browser=browser, client=HOME)


def allow_passkeys(world, allowed=True):
    with world.acting():
        set_security_policy(idle_minutes=60, session_minutes=720, passkey_sign_in=allowed, by=SETUP)


def _open_sessions(person):
    with person.world.acting():
        return Session.objects.filter(principal_id=person.id, ended_at=None).count()


@pytest.fixture
def alice():
    return make_member(make_tenant())


def test_a_passkey_is_the_second_factor(alice):
    device = register(alice)

    signed_in = second_factor(alice, device)

    assert SessionCookie.read(signed_in.cookie).principal_id == alice.id
    with alice.world.acting():
        assert Session.objects.filter(principal_id=alice.id, mfa_method="passkey", ended_at=None).count() == 1
        passkey = Passkey.objects.get()
        assert (passkey.sign_count, passkey.last_used_at is not None) == (1, True)
        assert events().filter(kind="identity:passkey:create", subject_id=alice.id).count() == 1


def test_several_passkeys_are_told_apart_and_the_app_still_works(alice):
    phone, key = register(alice, name="Phone"), register(alice, name="Key")

    assert second_factor(alice, phone).cookie
    assert second_factor(alice, key).cookie
    assert sign_in_code(_password(alice), alice.code(), client=HOME).cookie


def test_registering_the_same_one_again_is_refused(alice):
    device = register(alice)

    with pytest.raises(Conflict):
        register(alice, device)


def test_adding_one_ends_the_other_sessions_and_says_why(alice):
    alice.browser()
    mine = _session(alice)

    register(alice, session=mine)

    with alice.world.acting():
        rows = Session.objects.filter(principal_id=alice.id)
        assert rows.get(id=mine).ended_at is None
        assert {row.end_reason for row in rows.exclude(id=mine)} == {"factor_changed"}


WRONG = {
    "origin": {"origin": "https://msplex.evil.example"},
    "rp id": {"rp_id": "evil.example"},
    "key": {"key": Authenticator("", "").key},
    "credential": {"credential_id": b"another" * 5},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_is_refused_and_recorded(alice, what):
    device = register(alice)
    for name, value in WRONG[what].items():
        setattr(device, name, value)

    with pytest.raises(PasskeyRefused):
        second_factor(alice, device)

    assert _open_sessions(alice) == 1
    with alice.world.acting():
        assert events().filter(kind="identity:session:refuse", actor_id=alice.id, result="refused").count() == 1


def test_registering_at_a_wrong_origin_is_refused(alice):
    with pytest.raises(PasskeyRefused):
        register(alice, Authenticator(origin="https://msplex.evil.example"))

    with alice.world.acting():
        assert not Passkey.objects.exists()


def test_a_counter_that_does_not_grow_is_a_copys(alice):
    device = register(alice)
    second_factor(alice, device)
    device.counter = 0  # the copy was made before that

    with pytest.raises(PasskeyRefused) as refused:
        second_factor(alice, device)

    assert "sign count" in refused.value.why


@pytest.mark.parametrize("first_was", ["accepted", "refused"])
def test_a_challenge_is_answered_once(alice, first_was):
    device = register(alice)
    pending = _password(alice)
    begun = begin_second_factor(pending)
    good, bad = device.sign(begun.options), Authenticator(credential_id=device.credential_id).sign(begun.options)
    if first_was == "accepted":
        sign_in_passkey(pending, state=begun.state, answer=good, client=HOME)
    else:
        with pytest.raises(PasskeyRefused):
            sign_in_passkey(pending, state=begun.state, answer=bad, client=HOME)
    before = _open_sessions(alice)

    with pytest.raises(PasskeyRefused) as refused:
        sign_in_passkey(pending, state=begun.state, answer=device.sign(begun.options), client=HOME)

    assert refused.value.why == "challenge answered before"
    assert _open_sessions(alice) == before


def test_of_two_answers_at_the_same_moment_one_counts(alice):
    device = register(alice)
    pending = _password(alice)
    begun = begin_second_factor(pending)
    answers = [device.sign(begun.options) for _ in range(6)]
    barrier, results = threading.Barrier(6), []

    def use(answer):
        barrier.wait()
        try:
            results.append(bool(sign_in_passkey(pending, state=begun.state, answer=answer, client=HOME)))
        except PasskeyRefused:
            results.append(False)
        connection.close()

    threads = [threading.Thread(target=use, args=(answer,)) for answer in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False] * 5 + [True]
    with alice.world.acting():
        assert SpentChallenge.objects.count() == 2  # that of the registration, too


def test_a_challenge_is_for_one_sign_in(alice):
    device = register(alice)
    first, second = _password(alice), _password(alice)
    begun = begin_second_factor(first)

    with pytest.raises(PasskeyRefused):
        sign_in_passkey(second, state=begun.state, answer=device.sign(begun.options), client=HOME)


def test_a_challenge_of_one_session_is_nothing_in_another(alice):
    mine, other = _session(alice), _session(alice)
    with alice.world.acting(principal=alice.id):
        begun = begin_registration(alice.user, session_id=mine)
        answer = Authenticator().make(begun.options)
        with pytest.raises(PasskeyRefused):
            register_passkey(alice.user, name="x", state=begun.state, answer=answer, session_id=other, by=alice.actor)


def test_a_challenge_for_one_purpose_is_nothing_for_another(alice):
    device = register(alice)
    allow_passkeys(alice.world)
    pending = _password(alice)
    begun = begin_second_factor(pending)

    with pytest.raises(PasskeyRefused):
        passwordless(device, begun)


def test_a_challenge_gets_old(alice, monkeypatch):
    device = register(alice)
    pending = _password(alice)
    begun = begin_second_factor(pending)
    later = time.time() + passkeys.STATE_SECONDS + 1
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)

    with pytest.raises(PasskeyRefused):
        sign_in_passkey(pending, state=begun.state, answer=device.sign(begun.options), client=HOME)


def test_a_state_that_was_changed_is_refused(alice):
    device = register(alice)
    pending = _password(alice)
    begun = begin_second_factor(pending)

    with pytest.raises(PasskeyRefused):
        sign_in_passkey(pending, state=begun.state + "x", answer=device.sign(begun.options), client=HOME)


def test_another_persons_and_another_tenants_passkey_are_refused(alice):
    register(alice)
    bob = make_member(alice.world, name="bob")
    mallory = make_member(make_tenant("globex"), name="mallory")
    of_bob, of_mallory = register(bob), register(mallory)

    for device in (of_bob, of_mallory):
        with pytest.raises(PasskeyRefused):
            second_factor(alice, device)
    for device in (of_bob, of_mallory):  # also if it says that it is hers
        device.handle = passkeys.handle_of(alice.user)
        allow_passkeys(alice.world)
        with pytest.raises(PasskeyRefused):
            passwordless(device)
    assert _open_sessions(alice) == 1


def test_one_credential_in_two_tenants_is_two(alice):
    mallory = make_member(make_tenant("globex"), name="mallory")
    device = register(alice)
    copy = Authenticator(credential_id=device.credential_id)

    register(mallory, copy)

    assert second_factor(alice, device).cookie
    assert second_factor(mallory, copy).cookie


def test_without_a_password_only_where_the_tenant_allows_it(alice):
    device = register(alice)

    with pytest.raises(PasskeyNotEnough):
        passwordless(device)
    allow_passkeys(alice.world)
    assert SessionCookie.read(passwordless(device).cookie).principal_id == alice.id
    allow_passkeys(alice.world, False)
    with pytest.raises(PasskeyNotEnough):
        passwordless(device)


def test_without_a_password_the_device_must_verify_the_person(alice):
    device = register(alice)
    allow_passkeys(alice.world)
    device.verifies = False

    with pytest.raises(PasskeyRefused):
        passwordless(device)
    assert second_factor(alice, device).cookie


def test_without_a_password_the_challenge_is_the_browsers(alice):
    device = register(alice)
    allow_passkeys(alice.world)

    with pytest.raises(PasskeyRefused):
        passwordless(device, browser="another browser")


@pytest.mark.parametrize("who", ["nobody", "unknown tenant", "no handle", "short handle"])
def test_a_passkey_of_nobody_gets_the_same_answer_and_leaves_nothing(alice, who):
    device = register(alice)
    allow_passkeys(alice.world)
    device.handle = {
        "nobody": alice.world.id.bytes + uuid7().bytes,
        "unknown tenant": uuid7().bytes + alice.id.bytes,
        "no handle": b"",
        "short handle": alice.world.id.bytes,
    }[who]

    with pytest.raises(PasskeyRefused) as refused:
        passwordless(device)

    assert refused.value.message == PasskeyRefused("").message
    with alice.world.acting():
        assert SpentChallenge.objects.count() == 1
        assert not events().filter(kind="identity:session:refuse").exists()


@pytest.mark.parametrize("answer", [{}, {"id": 1}, {"response": []}, {"id": "x", "rawId": "x", "response": {}}])
def test_what_is_no_answer_is_refused(alice, answer):
    register(alice)
    pending = _password(alice)

    with pytest.raises(PasskeyRefused):
        sign_in_passkey(pending, state=begin_second_factor(pending).state, answer=answer, client=HOME)
    with pytest.raises(PasskeyRefused):
        sign_in_passwordless(state=begin_passwordless(BROWSER).state, answer=answer, browser=BROWSER, client=HOME)


def test_a_disabled_person_does_not_get_in(alice):
    device = register(alice)
    allow_passkeys(alice.world)
    with alice.world.acting():
        disable_principal(alice.id, by=SETUP)

    with pytest.raises(PasskeyRefused):
        passwordless(device)


def test_refusals_slow_down(alice):
    device = register(alice)
    good, device.key = device.key, Authenticator().key
    for _ in range(6):
        with pytest.raises(PasskeyRefused):
            second_factor(alice, device)
    device.key = good

    with pytest.raises(PasskeyRefused) as refused:
        second_factor(alice, device)
    assert refused.value.why == "too many tries"


def test_a_passkey_is_named_and_renamed(alice):
    register(alice, name="  Laptop ")
    with alice.world.acting(principal=alice.id):
        passkey = Passkey.objects.get()
        assert passkey.name == "Laptop"
        rename_passkey(alice.user, passkey.pk, name="Work laptop", by=alice.actor)
        assert Passkey.objects.get().name == "Work laptop"
        for name in ("", " ", "x" * 65):
            with pytest.raises(Exception, match="Give it a name"):
                rename_passkey(alice.user, passkey.pk, name=name, by=alice.actor)


def test_another_persons_passkey_is_not_found(alice):
    bob = make_member(alice.world, name="bob")
    register(bob)
    with alice.world.acting():
        passkey = Passkey.objects.get(user=bob.user)
        with pytest.raises(NotFound):
            rename_passkey(alice.user, passkey.pk, name="mine", by=alice.actor)
        with pytest.raises(NotFound):
            remove_passkey(alice.user, passkey.pk, session_id=None, by=alice.actor)


def test_a_removed_passkey_opens_nothing_and_ends_the_other_sessions(alice):
    gone, kept = register(alice, name="gone"), register(alice, name="kept")
    second_factor(alice, gone)
    mine = _session(alice)
    with alice.world.acting(principal=alice.id):
        passkey = Passkey.objects.get(name="gone")
        remove_passkey(alice.user, passkey.pk, session_id=mine, by=alice.actor)

    assert _open_sessions(alice) == 1
    with pytest.raises(PasskeyRefused):
        second_factor(alice, gone)
    assert second_factor(alice, kept).cookie


def test_the_last_factor_is_not_removed(alice):
    register(alice)
    with alice.world.acting(principal=alice.id):
        TotpDevice.objects.filter(user=alice.user).delete()
        passkey = Passkey.objects.get()
        with pytest.raises(LastFactor):
            remove_passkey(alice.user, passkey.pk, session_id=None, by=alice.actor)


def test_of_two_removals_at_once_one_factor_is_left(alice):
    register(alice, name="one")
    register(alice, name="two")
    with alice.world.acting():
        TotpDevice.objects.filter(user=alice.user).delete()
        ids = list(Passkey.objects.values_list("id", flat=True))
    actor, barrier = alice.actor, threading.Barrier(2)

    def remove(passkey):
        barrier.wait()
        try:
            with alice.world.acting(principal=alice.id):
                remove_passkey(alice.user, passkey, session_id=None, by=actor)
        except LastFactor:
            pass
        connection.close()

    threads = [threading.Thread(target=remove, args=(passkey,)) for passkey in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with alice.world.acting():
        assert Passkey.objects.count() == 1


def test_a_machine_has_no_passkeys(alice):
    with alice.world.acting(), pytest.raises(NotAllowed):
        begin_registration(alice.user, session_id=None)


def first_passkey(person, pending):
    begun = begin_first_passkey(pending)
    device = Authenticator()
    answer = device.make(begun.options)
    return device, sign_in_first_passkey(pending, name="Phone", state=begun.state, answer=answer, client=HOME)


def test_a_newcomer_may_start_with_a_passkey_alone_where_the_tenant_allows_it():
    carol = make_person(make_tenant())
    with pytest.raises(PasskeyNotEnough):
        first_passkey(carol, _password(carol))
    allow_passkeys(carol.world)

    device, signed_in = first_passkey(carol, _password(carol))

    assert len(signed_in.recovery_codes) == 10
    assert passwordless(device).cookie
    assert second_factor(carol, device).cookie
    assert sign_in_code(_password(carol), signed_in.recovery_codes[0], client=HOME).cookie


def test_with_a_passkey_the_password_alone_sets_up_nothing():
    carol = make_person(make_tenant())
    allow_passkeys(carol.world)
    stale = _password(carol)  # an attacker with the password, before there was a factor
    first_passkey(carol, _password(carol))

    assert _password(carol).enrolled
    for begin in (begin_enrolment, begin_first_passkey):
        with pytest.raises(Conflict):
            begin(stale)
    with pytest.raises(CodeRefused):
        sign_in_code(stale, "000000", client=HOME)


def test_with_an_app_the_password_alone_sets_up_no_passkey(alice):
    allow_passkeys(alice.world)

    with pytest.raises(Conflict):
        begin_first_passkey(_password(alice))


def test_a_reset_removes_the_passkeys_too():
    bob = make_member(make_tenant(), Role.OPERATOR, name="bob")
    device = register(bob)
    with bob.world.acting():
        reset_factors(bob.user, by=SETUP)
        assert not Passkey.objects.exists()
        assert set(Session.objects.values_list("end_reason", flat=True)) == {"factor_changed"}
        make_recovery_codes(bob.user, by=bob.actor)

    with pytest.raises(PasskeyRefused):
        second_factor(bob, device)


def test_old_challenges_are_forgotten(alice):
    register(alice)
    later = timezone.now() + timedelta(seconds=passkeys.STATE_SECONDS)

    with as_role("worker"), alice.world.acting():
        forget_challenges(later)
        assert SpentChallenge.objects.count() == 1
        forget_challenges(later + timedelta(seconds=passkeys.STATE_SECONDS))
        assert SpentChallenge.objects.count() == 0


def test_the_database_keeps_the_public_half_only(alice):
    device = register(alice)
    private = device.key.private_numbers().private_value.to_bytes(32, "big")
    with alice.world.acting():
        row = Passkey.objects.get()
        assert private not in bytes(row.public_key)
        assert row.user_id == alice.id
        assert row.created_at > timezone.now() - timedelta(minutes=1)
