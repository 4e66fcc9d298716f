"""Guests come by a link that works once, for what its inviter may still give on that day."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.canonical import canonical
from audit.selectors import events
from identity.errors import GrantsMoreThanHeld, InvitationNotValid, PermissionMissing
from identity.models import Invitation, RoleBinding, Session, User
from identity.roles import Role
from identity.services import (
    Client,
    accept_invitation,
    archive_customer,
    begin_enrolment,
    create_member,
    disable_principal,
    invite,
    look_at_invitation,
    resend_invitation,
    unbind_role,
    withdraw_invitation,
)
from tenants.errors import Conflict, Invalid, NotFound
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import PASSWORD, SETUP, Person, let_work, make_member
from tests.identity.post import post, token_in

HOME = Client("192.0.2.7", "tests", "req-1")
GUEST = "guest@acme.example"


@pytest.fixture
def alice() -> Person:
    return make_member(make_tenant(), Role.OWNER)


def ask(person: Person, role: Role = Role.OPERATOR, **given) -> str:
    """The token that the guest finds in the mailbox."""
    with person.world.acting():
        invite(**{"email": GUEST, "role": role, "by": person.actor} | given)
    (letter,) = post(person.world)
    return token_in(letter)


def come(token: str, password: str = PASSWORD):
    return accept_invitation(token, name="Gus Guest", password=password, client=HOME)


def kinds(world: TenantWorld) -> list[str]:
    with world.acting():
        return list(events().filter(kind__startswith="identity:invitation").values_list("kind", flat=True))


def test_a_guest_becomes_a_member_with_that_role_and_no_session_yet(alice: Person) -> None:
    token = ask(alice, reason="Covers for Bob in May")

    offered, workspace = look_at_invitation(token)
    pending = come(token)

    assert (offered.email, offered.role, workspace) == (GUEST, "operator", alice.world.name)
    assert not pending.enrolled
    assert begin_enrolment(pending).secret
    with alice.world.acting():
        guest = User.objects.get(email=GUEST)
        binding = RoleBinding.objects.get(principal_id=guest.pk)
        assert (guest.name, guest.pk, binding.role, binding.customer_id) == (
            "Gus Guest",
            pending.user_id,
            "operator",
            None,
        )
        assert (binding.reason, binding.created_by) == ("Covers for Bob in May", alice.user.email)
        assert guest.check_password(PASSWORD)
        assert not Session.objects.filter(principal_id=guest.pk).exists()


def test_every_step_is_recorded_with_who_and_where(alice: Person) -> None:
    token = ask(alice, reason="Why not")
    come(token)

    with alice.world.acting():
        made = events().get(kind="identity:invitation:create")
        taken = events().get(kind="identity:invitation:accept")
        bound = events().filter(kind="identity:role:bind").first()
        guest = User.objects.get(email=GUEST)
    assert made.actor_id == bound.actor_id == alice.id
    assert taken.actor_id == guest.pk
    assert canonical({"address": "192.0.2.7"})[1:-1] in bytes(taken.body)
    assert b'"reason":"Why not"' in bytes(made.body)


def test_the_token_is_not_at_rest(alice: Person) -> None:
    token = ask(alice)

    with alice.world.acting():
        row = Invitation.objects.select_related("mail").get()
        trail = b"".join(bytes(event.body) + bytes(event.header) for event in events())
    assert token not in str(row.__dict__) + str(row.mail.__dict__)
    assert token.encode() not in trail
    assert len(row.token_hash) == 32


def test_a_link_works_once(alice: Person) -> None:
    token = ask(alice)
    come(token)

    for again in (come, look_at_invitation):
        with pytest.raises(InvitationNotValid):
            again(token)


def _expire(alice: Person) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def _withdraw(alice: Person) -> None:
    withdraw_invitation(Invitation.objects.get().pk, by=alice.actor)


def _disable_inviter(alice: Person) -> None:
    disable_principal(alice.id, by=SETUP)


def _demote_inviter(alice: Person) -> None:
    unbind_role(RoleBinding.objects.get(principal_id=alice.id), by=SETUP)


def _archive(alice: Person) -> None:
    archive_customer(alice.world.customers[0], by=SETUP)


def _someone_else_is_that(alice: Person) -> None:
    create_member(email=GUEST, name="G", role=Role.VIEWER, password=PASSWORD, by=SETUP)


@pytest.mark.parametrize(
    "meanwhile", [_expire, _withdraw, _disable_inviter, _demote_inviter, _archive, _someone_else_is_that]
)
def test_an_invitation_ends_with_what_it_stood_on(meanwhile) -> None:
    world = make_tenant()
    make_member(world, Role.OWNER, name="second")
    alice = make_member(world, Role.OWNER)
    token = ask(alice, Role.CUSTOMER_VIEWER, customer=world.customers[0])
    with world.acting():
        meanwhile(alice)

    with pytest.raises(InvitationNotValid) as refused:
        come(token)

    assert str(refused.value) == str(InvitationNotValid())
    assert "identity:invitation:accept" not in kinds(world)


def test_an_admin_who_was_an_owner_gives_the_owner_role_no_more(alice: Person) -> None:
    make_member(alice.world, Role.OWNER, name="second")
    token = ask(alice, Role.OWNER)
    with alice.world.acting():
        binding = RoleBinding.objects.get(principal_id=alice.id)
        binding.role = Role.ADMIN.value
        binding.save()

    with pytest.raises(InvitationNotValid):
        come(token)


@pytest.mark.parametrize("token", ["", "x", "x.y", "a" * 500])
def test_a_made_up_token_gets_the_same_answer(token: str) -> None:
    with pytest.raises(InvitationNotValid) as refused:
        look_at_invitation(token)
    assert str(refused.value) == str(InvitationNotValid())


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "at least 12 characters"),
        ("password1234", "too common"),
        ("guest@acme.example", "too similar to the email"),
        ("gus guest gus", "too similar to the name"),
    ],
)
def test_a_weak_password_is_said_and_the_link_stays_good(alice: Person, password: str, said: str) -> None:
    token = ask(alice)

    with pytest.raises(Invalid, match=said) as refused:
        come(token, password)

    assert refused.value.field == "password"
    assert come(token)


def test_nobody_invites_to_more_than_they_hold(alice: Person) -> None:
    admin = make_member(alice.world, Role.ADMIN, name="admin")
    viewer = make_member(alice.world, Role.VIEWER, name="viewer")
    with alice.world.acting(), pytest.raises(GrantsMoreThanHeld):
        invite(email=GUEST, role=Role.OWNER, by=admin.actor)
    with alice.world.acting(), pytest.raises(PermissionMissing):
        invite(email=GUEST, role=Role.VIEWER, by=viewer.actor)


def test_a_customers_manager_invites_into_that_customer_only() -> None:
    world = make_tenant()
    mine, other = world.customers[:2]
    carol = make_member(world, Role.CUSTOMER_MANAGER, name="carol", customer=mine)
    with world.acting(other):
        invite(email="other@acme.example", role=Role.CUSTOMER_VIEWER, customer=other, by=SETUP)

    with world.acting(mine, principal=carol.id):
        made = invite(email=GUEST, role=Role.CUSTOMER_VIEWER, customer=mine, by=carol.actor)
        seen = list(Invitation.objects.values_list("id", flat=True))
    with world.acting(mine, principal=carol.id), pytest.raises(PermissionMissing):
        invite(email="x@acme.example", role=Role.VIEWER, by=carol.actor)

    assert seen == [made.pk]
    guest = come(token_in(next(letter for letter in post(world) if letter.to == [GUEST])))
    with world.acting():
        assert User.objects.get(id=guest.user_id).customer_id == mine.pk


def test_sending_again_makes_a_new_link_and_the_old_one_stops(alice: Person) -> None:
    old = ask(alice)
    bob = make_member(alice.world, Role.ADMIN, name="bob")
    with alice.world.acting():
        Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
        again = resend_invitation(Invitation.objects.get().pk, by=bob.actor)
    (letter,) = post(alice.world)

    with pytest.raises(InvitationNotValid):
        come(old)
    assert again.inviter_label == bob.user.email
    assert come(token_in(letter))
    assert kinds(alice.world) == [
        "identity:invitation:accept", "identity:invitation:resend", "identity:invitation:create"
    ]  # fmt: skip


def test_what_has_ended_is_not_sent_again_or_withdrawn(alice: Person) -> None:
    come(ask(alice))
    with alice.world.acting():
        ended = Invitation.objects.get().pk

    for act in (resend_invitation, withdraw_invitation):
        with alice.world.acting(), pytest.raises(Conflict, match="This invitation is accepted"):
            act(ended, by=alice.actor)


def test_an_address_has_one_open_invitation_and_an_expired_one_makes_room(alice: Person) -> None:
    ask(alice)
    with alice.world.acting(), pytest.raises(Conflict, match="open invitation"):
        invite(email=GUEST.upper(), role=Role.VIEWER, by=alice.actor)
    with alice.world.acting():
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        invite(email=GUEST, role=Role.VIEWER, by=alice.actor)

        assert {row.state for row in Invitation.objects.all()} == {"withdrawn", "pending"}


def test_who_is_here_is_not_invited(alice: Person) -> None:
    with alice.world.acting(), pytest.raises(Conflict, match="already here"):
        invite(email=alice.user.email, role=Role.VIEWER, by=alice.actor)


def test_another_tenants_invitation_is_not_found(alice: Person) -> None:
    ask(alice)
    with alice.world.acting():
        foreign = Invitation.objects.get().pk
    mallory = make_member(make_tenant("globex"), Role.OWNER)

    for act in (resend_invitation, withdraw_invitation):
        with mallory.world.acting(), pytest.raises(NotFound):
            act(foreign, by=mallory.actor)


def test_a_suspended_tenant_takes_no_guests(alice: Person) -> None:
    token = ask(alice)
    let_work(alice.world, active=False)

    with pytest.raises(InvitationNotValid):
        come(token)


def test_the_message_says_who_invites_whom_to_what(alice: Person) -> None:
    customer = alice.world.customers[0]
    with alice.world.acting():
        invite(email=GUEST, role=Role.CUSTOMER_VIEWER, customer=customer, reason="Sees the\n\ntickets", by=alice.actor)
    (letter,) = post(alice.world)

    assert letter.to == [GUEST]
    assert alice.user.email in letter.subject
    assert f"as Customer viewer for {customer.name}. The reason given: Sees the tickets" in letter.body
