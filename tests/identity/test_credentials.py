"""One rule for every change of a credential: all that was issued before ends, but for the session that did it."""

import base64
from collections.abc import Callable

import pytest
from django_otp.oath import totp

from audit.selectors import events
from identity.errors import CodeRefused
from identity.models import Principal, Session, TotpDevice
from identity.roles import Role
from identity.selectors import live_agent_sessions, passkeys_of
from identity.services import (
    Client,
    begin_registration,
    begin_renewal,
    change_password,
    confirm_renewal,
    enrol_totp,
    register_passkey,
    remove_passkey,
    renew_recovery_codes,
    reset_factors,
    sign_in_code,
    sign_in_password,
)
from tests.factories import make_tenant
from tests.identity.authenticator import Authenticator
from tests.identity.factories import PASSWORD, Person, fresh_step, make_member, make_person
from tests.identity.post import post
from tests.identity.test_passkeys import register
from tests.identity.test_passwords import own
from tests.oauth.flow import McpClient

HOME = Client("192.0.2.1", "tests")


def code_of(secret: str) -> str:
    return f"{totp(base64.b32decode(secret + '=' * (-len(secret) % 8))):06d}"


def _password(person: Person) -> None:
    change_password(own(person), current=PASSWORD, new="another horse, battery and staple")


def _app(person: Person) -> None:
    confirm_renewal(own(person), code_of(begin_renewal(own(person)).secret))


def _codes(person: Person) -> None:
    renew_recovery_codes(own(person))


def _add(person: Person) -> None:
    session = own(person).session_id
    begun = begin_registration(person.user, session_id=session)
    answer = Authenticator().make(begun.options)
    given = {"name": "Key", "state": begun.state, "answer": answer}
    register_passkey(person.user, **given, session_id=session, by=own(person).actor)


def _remove(person: Person) -> None:
    passkey = passkeys_of(person.id).earliest("id")
    remove_passkey(person.user, passkey.pk, session_id=own(person).session_id, by=own(person).actor)


CHANGES: dict[str, tuple[Callable[[Person], None], str]] = {
    "password": (_password, "password_changed"),
    "authenticator app": (_app, "factor_changed"),
    "recovery codes": (_codes, "factor_changed"),
    "passkey added": (_add, "factor_changed"),
    "passkey removed": (_remove, "factor_changed"),
}


@pytest.fixture
def alice() -> Person:
    alice = make_member(make_tenant(), Role.OPERATOR)
    register(alice)
    return alice


def epoch_of(person: Person) -> int:
    with person.world.acting():
        return Principal.objects.get(id=person.id).epoch


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_was_issued_before_ends_and_this_session_goes_on(alice: Person, what: str, whole_portal) -> None:
    change, reason = CHANGES[what]
    McpClient.registered().tokens(alice, alice.world.customers[0])
    other, mine = alice.browser(), alice.browser()
    before = epoch_of(alice)
    fresh_step()

    with alice.world.acting(principal=alice.id):
        change(alice)

    assert epoch_of(alice) == before + 1
    assert (other.get("/").status_code, mine.get("/").status_code) == (302, 200)
    with alice.world.acting():
        rows = Session.objects.filter(principal_id=alice.id).order_by("id")
        assert not live_agent_sessions().exists()
        assert rows.last().ended_at is None
        assert {row.end_reason for row in rows.exclude(id=rows.last().pk)} <= {reason, "factor_changed"}
        assert {row.ended_by for row in rows.exclude(id=rows.last().pk)} == {alice.user.email}
    assert len([letter for letter in post(alice.world) if letter.to == [alice.user.email]]) >= 1


def test_a_reset_by_somebody_else_leaves_no_session(alice: Person, whole_portal) -> None:
    olivia, browser, before = make_person(alice.world, Role.OWNER, name="olivia"), alice.browser(), epoch_of(alice)

    with alice.world.acting():
        reset_factors(alice.user, by=olivia.actor)

    assert epoch_of(alice) == before + 1
    assert browser.get("/").status_code == 302


def only_passkey() -> Person:
    carol = make_person(make_tenant(), name="carol")
    register(carol)
    carol.browser()
    return carol


def test_who_has_a_passkey_alone_sets_up_an_app() -> None:
    carol = only_passkey()
    fresh_step()
    with carol.world.acting(principal=carol.id):
        secret = begin_renewal(own(carol)).secret
        assert not TotpDevice.objects.filter(confirmed=True).exists()
        with pytest.raises(CodeRefused):
            confirm_renewal(own(carol), "000000")
        confirm_renewal(own(carol), code_of(secret))
        kinds = set(events().filter(subject_id=carol.id).values_list("kind", flat=True))

    pending = sign_in_password(workspace=carol.world.workspace, email=carol.user.email, password=PASSWORD, client=HOME)
    with pytest.raises(CodeRefused):  # it was used to set the app up
        sign_in_code(pending, code_of(secret), client=HOME)
    assert "identity:mfa:enrol" in kinds
    assert "identity:mfa:replace" not in kinds
    assert post(carol.world)[-1].subject == "An authenticator app was set up"


def test_a_seed_that_a_password_alone_has_shown_is_not_shown_again() -> None:
    """Somebody with the password looked at the set-up before the person chose a passkey instead."""
    carol = make_person(make_tenant(), name="carol")
    with carol.world.acting():
        seen = enrol_totp(carol.user).secret
    register(carol)
    carol.browser()

    with carol.world.acting(principal=carol.id):
        shown = begin_renewal(own(carol)).secret

    assert shown != seen


def test_an_app_that_is_not_confirmed_lets_nobody_in() -> None:
    carol = only_passkey()
    fresh_step()
    with carol.world.acting(principal=carol.id):
        secret = begin_renewal(own(carol)).secret

    pending = sign_in_password(workspace=carol.world.workspace, email=carol.user.email, password=PASSWORD, client=HOME)
    with pytest.raises(CodeRefused):
        sign_in_code(pending, code_of(secret), client=HOME)
