"""A new address and a new app: confirmed, recorded from what to what, told, and taken back."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone
from django_otp.oath import totp

from audit.selectors import events_about
from identity.errors import CodeRefused, LinkNotValid, PasswordRefused, SignInRefused
from identity.models import EmailChange, Principal, Session, TotpDevice, User
from identity.roles import Role
from identity.services import (
    Client,
    begin_renewal,
    confirm_email_change,
    confirm_renewal,
    create_member,
    disable_principal,
    enable_principal,
    look_at_email_link,
    passwords,
    rename,
    request_email_change,
    request_password_reset,
    reset_factors,
    reset_password,
    sign_in_code,
    sign_in_password,
    undo_email_change,
)
from identity.services.attempts import FREE
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, SETUP, Person, fresh_step, make_machine, make_member
from tests.identity.post import post, token_in
from tests.identity.test_passwords import own

HOME = Client("192.0.2.1", "tests", "req-1")
NEW = "alice@new.example"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch) -> None:
    monkeypatch.setattr(passwords, "ANSWER_SECONDS", 0)


@pytest.fixture
def alice() -> Person:
    alice = make_member(make_tenant())
    alice.browser()
    return alice


def ask(person: Person, email: str = NEW) -> str:
    with person.world.acting():
        request_email_change(own(person), email=email, current=PASSWORD)
    (letter,) = post(person.world)
    assert letter.to == [email]
    return token_in(letter)


def address_of(person: Person) -> tuple[str, str]:
    with person.world.acting():
        return User.objects.get(id=person.id).email, Principal.objects.get(id=person.id).label


def kinds(person: Person) -> list[str]:
    with person.world.acting():
        return [event.kind for event in events_about(person.id) if event.kind.startswith("identity:email")]


def test_an_address_changes_when_its_mailbox_says_so_and_the_old_one_is_told(alice: Person) -> None:
    old = alice.user.email
    token = ask(alice)
    before = address_of(alice)

    assert look_at_email_link(token).new_email == NEW
    confirm_email_change(token, client=HOME)
    (told,) = post(alice.world)

    assert before == (old, old)
    assert address_of(alice) == (NEW, NEW)
    assert (told.to, NEW in told.body) == ([old], True)
    assert kinds(alice) == ["identity:email:change", "identity:email:request"]
    with alice.world.acting():
        facts = events_about(alice.id).get(kind="identity:email:change").facts
        assert (facts["before"], facts["after"], facts["address"]) == ({"email": old}, {"email": NEW}, "192.0.2.1")
    with pytest.raises(LinkNotValid):
        confirm_email_change(token, client=HOME)


def test_the_old_address_takes_it_back_and_shuts_the_other_out(alice: Person) -> None:
    old = alice.user.email
    confirm_email_change(ask(alice), client=HOME)
    undo = token_in(post(alice.world)[0])
    request_password_reset(workspace=alice.world.workspace, email=NEW, client=HOME)
    stolen = token_in(post(alice.world)[0])

    undo_email_change(undo, client=HOME)

    assert address_of(alice) == (old, old)
    with alice.world.acting():
        assert not Session.objects.filter(principal_id=alice.id, ended_at=None).exists()
    with pytest.raises(SignInRefused):
        sign_in_password(workspace=alice.world.workspace, email=old, password=PASSWORD, client=HOME)
    with pytest.raises(LinkNotValid):
        reset_password(stolen, password="another long password", client=HOME)
    with pytest.raises(LinkNotValid):
        undo_email_change(undo, client=HOME)
    assert kinds(alice)[0] == "identity:email:restore"
    assert post(alice.world)[-1].to == [old]
    request_password_reset(workspace=alice.world.workspace, email=old, client=HOME)
    assert reset_password(token_in(post(alice.world)[0]), password="another long password", client=HOME)


def test_the_first_address_takes_back_whatever_came_after(alice: Person) -> None:
    old = alice.user.email
    confirm_email_change(ask(alice), client=HOME)
    undo = token_in(post(alice.world)[0])
    confirm_email_change(ask(alice, "third@new.example"), client=HOME)
    from_the_second = token_in(post(alice.world)[0])

    undo_email_change(undo, client=HOME)

    with pytest.raises(LinkNotValid):
        undo_email_change(from_the_second, client=HOME)
    assert address_of(alice) == (old, old)


def test_taking_back_ends_after_a_week(alice: Person) -> None:
    confirm_email_change(ask(alice), client=HOME)
    undo = token_in(post(alice.world)[0])
    with alice.world.acting():
        change = EmailChange.objects.get()
        assert timedelta(days=6, hours=23) < change.undo_until - timezone.now() <= timedelta(days=7)
        EmailChange.objects.update(undo_until=timezone.now() - timedelta(seconds=1))

    with pytest.raises(LinkNotValid):
        undo_email_change(undo, client=HOME)


def _old(person: Person) -> None:
    EmailChange.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def _disabled(person: Person) -> None:
    disable_principal(person.id, by=SETUP)


def _taken(person: Person) -> None:
    create_member(email=NEW, name="N", role=Role.VIEWER, password=PASSWORD, by=SETUP)


@pytest.mark.parametrize("meanwhile", [_old, _disabled, _taken])
def test_a_link_ends_with_what_it_stood_on(alice: Person, meanwhile) -> None:
    token = ask(alice)
    with alice.world.acting():
        meanwhile(alice)

    with pytest.raises(LinkNotValid) as refused:
        confirm_email_change(token, client=HOME)

    assert str(refused.value) == str(LinkNotValid())
    assert address_of(alice)[0] == alice.user.email


def test_a_second_request_ends_the_first(alice: Person) -> None:
    first = ask(alice)
    ask(alice, "second@new.example")

    with pytest.raises(LinkNotValid):
        confirm_email_change(first, client=HOME)


def test_an_address_is_not_asked_for_without_the_password(alice: Person) -> None:
    with alice.world.acting(), pytest.raises(PasswordRefused):
        request_email_change(own(alice), email=NEW, current="wrong")
    assert post(alice.world) == []


def test_a_name_is_changed_from_what_to_what(alice: Person) -> None:
    with alice.world.acting():
        rename(own(alice), name="  Alice   Adams ")
        facts = events_about(alice.id)[0].facts

    assert (facts["before"], facts["after"]) == ({"name": "Alice"}, {"name": "Alice Adams"})


def code_of(secret: str) -> str:
    return f"{totp(base64.b32decode(secret + '=' * (-len(secret) % 8))):06d}"


def test_a_new_app_takes_the_old_ones_place_with_its_first_code(alice: Person) -> None:
    alice.browser()
    fresh_step()
    with alice.world.acting():
        secret = begin_renewal(own(alice)).secret
        assert begin_renewal(own(alice)).secret == secret
        with pytest.raises(CodeRefused):
            confirm_renewal(own(alice), alice.code())
        confirm_renewal(own(alice), code_of(secret))
        live = Session.objects.filter(principal_id=alice.id, ended_at=None).count()
        device = TotpDevice.objects.get(user=alice.user)
        assert (device.next_seed, device.confirmed, live) == (None, True, 1)
        assert events_about(alice.id)[0].kind == "identity:mfa:replace"

    pending = sign_in_password(workspace=alice.world.workspace, email=alice.user.email, password=PASSWORD, client=HOME)
    for used_or_old in (code_of(secret), alice.code()):
        with pytest.raises(CodeRefused):
            sign_in_code(pending, used_or_old, client=HOME)
    assert post(alice.world)[0].subject == "Your authenticator app was replaced"


def test_first_codes_of_a_new_app_are_limited(alice: Person) -> None:
    with alice.world.acting():
        secret = begin_renewal(own(alice)).secret
        for _ in range(FREE + 1):
            with pytest.raises(CodeRefused):
                confirm_renewal(own(alice), "000000")
        with pytest.raises(CodeRefused):
            confirm_renewal(own(alice), code_of(secret))


def test_people_are_told_what_others_do_to_their_account(alice: Person) -> None:
    bob = make_member(alice.world, Role.OWNER, name="bob")
    with alice.world.acting():
        disable_principal(alice.id, by=bob.actor)
        enable_principal(alice.id, by=bob.actor)
        reset_factors(alice.user, by=bob.actor)

    letters = post(alice.world)

    assert [letter.to for letter in letters] == [[alice.user.email]] * 3
    assert all(bob.user.email in letter.body for letter in letters)
    assert [letter.subject for letter in letters] == [
        "Your account was disabled", "Your account was enabled again", "Your second factor was reset"
    ]  # fmt: skip


def test_automation_gets_no_mail(alice: Person) -> None:
    machine = make_machine(alice.world)
    with alice.world.acting():
        disable_principal(machine.id, by=SETUP)

    assert post(alice.world) == []
