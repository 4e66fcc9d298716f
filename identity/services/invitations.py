"""Asking people in by e-mail. What the inviter may give is checked when they ask, and again when the guest comes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity.cookies import PendingSignIn
from identity.errors import InvitationNotValid
from identity.links import Link, Purpose
from identity.models import Invitation, Principal, User
from identity.permissions import Permission
from identity.principals import Grant
from identity.roles import Role
from identity.services.authority import authorise, authorise_grant
from identity.services.bindings import check_grant
from identity.services.mail import send_mail_on_commit
from identity.services.members import NewMember, add_member, normal_email
from identity.services.moments import spoken
from identity.services.seats import take_seat
from identity.services.sessions import Client
from identity.services.uniqueness import conflict_if_taken
from tenants.directory import tenant_of
from tenants.errors import Conflict, DomainError, NotFound
from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.models import Customer
from tenants.selectors import tenant

LIFETIME = timedelta(days=7)
_ALREADY_HERE = "Someone with this e-mail address is already here."
_ALREADY_INVITED = "This address has an open invitation. Send that one again, or withdraw it first."
_PRINCIPALS = {ActorKind.USER, ActorKind.SERVICE_ACCOUNT}


@transaction.atomic
def invite(*, email: str, role: Role, customer: Customer | None = None, reason: str = "", by: Actor) -> Invitation:
    """As create_member: nobody asks others in to more than they hold."""
    grant = check_grant(role, customer)
    _authorise(grant, by)
    email, now = normal_email(email), timezone.now()
    if User.objects.filter(email=email).exists():
        raise Conflict(_ALREADY_HERE, code="email_taken")
    Invitation.objects.filter(email=email, accepted_at=None, withdrawn_at=None, expires_at__lte=now).update(
        withdrawn_at=now
    )
    take_seat()
    invitation = Invitation(email=email, role=role.value, customer=customer, reason=" ".join(reason.split()))
    with conflict_if_taken(_ALREADY_INVITED, code="already_invited"):
        _post(invitation, by)
        invitation.save(force_insert=True)
    _record(EventKind.INVITATION_CREATED, invitation, by, _terms(invitation))
    return invitation


@transaction.atomic
def resend_invitation(invitation_id: UUID, *, by: Actor) -> Invitation:
    """A new link for the same terms; the one before stops working. Whoever sends it answers for it from now on."""
    invitation = _lock_open(invitation_id)
    before = invitation.expires_at
    grant = check_grant(Role(invitation.role), invitation.customer)
    _authorise(grant, by)
    if not invitation.is_open:  # it held none any more
        take_seat()
    _post(invitation, by)
    invitation.save(update_fields=["token_hash", "mail", "inviter", "inviter_label", "expires_at"])
    change = {"before": {"expires_at": before.isoformat()}, "after": {"expires_at": invitation.expires_at.isoformat()}}
    _record(EventKind.INVITATION_RESENT, invitation, by, change)
    return invitation


@transaction.atomic
def withdraw_invitation(invitation_id: UUID, *, by: Actor) -> Invitation:
    invitation = _lock_open(invitation_id)
    _authorise(Grant(Role(invitation.role), invitation.customer_id), by)
    invitation.withdrawn_at = timezone.now()
    invitation.save(update_fields=["withdrawn_at"])
    _record(EventKind.INVITATION_WITHDRAWN, invitation, by, _terms(invitation))
    return invitation


def _authorise(grant: Grant, by: Actor) -> None:
    authorise(by, Permission.IDENTITY_MEMBER_MANAGE, grant.customer_id)
    authorise_grant(by, grant)


def _lock_open(invitation_id: UUID) -> Invitation:
    """Expired ones too: they can be sent again."""
    found = Invitation.objects.select_for_update(of=("self",)).select_related("customer").filter(id=invitation_id)
    invitation = found.first()
    if invitation is None:
        raise NotFound
    if invitation.accepted_at or invitation.withdrawn_at:
        raise Conflict(f"This invitation is {invitation.state}. Make a new one.", code="invitation_ended")
    return invitation


def _post(invitation: Invitation, by: Actor) -> None:
    """A new link in a new message, and who answers for it."""
    link = Link.new(Purpose.INVITATION, acting_tenant())
    invitation.token_hash = link.digest()
    invitation.inviter_id = by.id if by.kind in _PRINCIPALS else None
    invitation.inviter_label = by.label
    invitation.expires_at = timezone.now() + LIFETIME
    context = {
        "inviter": by.label,
        "workspace": tenant().name,
        "email": invitation.email,
        "role": invitation.label,
        "customer": invitation.customer.name if invitation.customer else "",
        "reason": invitation.reason,
        "expires": spoken(invitation.expires_at),
    }
    invitation.mail = send_mail_on_commit(
        "invitation", invitation.email, context, customer_id=invitation.customer_id, link=link
    )


def look_at_invitation(token: str) -> tuple[Invitation, str]:
    """What it offers, and the workspace's name, for the page that asks the guest.

    Nothing is changed: scanners of mail open links too.
    """
    link = _read(token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        return _valid(link), tenant().name


def accept_invitation(token: str, *, name: str, password: str, client: Client) -> PendingSignIn:
    """The guest becomes a member, and goes on to set up the second factor: there is no session before it."""
    link = _read(token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        invitation = _valid(link, lock=True)
        user = _welcome(invitation, name, password, client)
        workspace = tenant().workspace
        return PendingSignIn(link.tenant_id, user.pk, user.principal.epoch, workspace, enrolled=False)


def _read(token: str) -> Link:
    link = Link.read(Purpose.INVITATION, token)
    if link is None:
        raise InvitationNotValid
    return link


def _valid(link: Link, *, lock: bool = False) -> Invitation:
    """Only while it could be made again as it is, by whoever answers for it."""
    found = Invitation.objects.select_related("customer").filter(token_hash=link.digest())
    invitation = (found.select_for_update(of=("self",)) if lock else found).first()
    if invitation is None or not invitation.is_open or tenant_of("workspace", tenant().workspace) is None:
        raise InvitationNotValid
    try:
        _authorise(check_grant(Role(invitation.role), invitation.customer), _inviter(invitation))
    except DomainError as refused:
        raise InvitationNotValid from refused
    return invitation


def _inviter(invitation: Invitation, request_id: str = "") -> Actor:
    """As an actor without an address: they are not here."""
    if invitation.inviter_id is None:
        return Actor(ActorKind.SYSTEM, None, invitation.inviter_label, request_id=request_id)
    inviter = Principal.objects.get(id=invitation.inviter_id)
    return Actor(ActorKind(inviter.kind), inviter.pk, inviter.label, request_id=request_id)


def _welcome(invitation: Invitation, name: str, password: str, client: Client) -> User:
    new = NewMember(invitation.email, name, Role(invitation.role), invitation.customer, password, invitation.reason)
    take_seat(invited_already=True)
    try:
        user = add_member(new, by=_inviter(invitation, client.request_id))
    except Conflict as taken:
        raise InvitationNotValid from taken
    invitation.accepted_at, invitation.member = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "member"])
    guest = Actor(ActorKind.USER, user.pk, user.email, client.address, client.request_id)
    _record(EventKind.INVITATION_ACCEPTED, invitation, guest, _terms(invitation) | {"member": str(user.pk)})
    return user


def _terms(invitation: Invitation) -> dict[str, Any]:
    return {
        "email": invitation.email,
        "role": invitation.role,
        "customer": invitation.customer_id and str(invitation.customer_id),
        "reason": invitation.reason,
        "expires_at": invitation.expires_at.isoformat(),
    }


def _record(kind: EventKind, invitation: Invitation, by: Actor, body: dict[str, Any]) -> None:
    subject = ("invitation", invitation.pk, invitation.email)
    record(kind, actor=by, subject=subject, customer_id=invitation.customer_id, body=body)
