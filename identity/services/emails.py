"""A new e-mail address: confirmed from its mailbox, and taken back from the old one for a while."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.errors import LinkNotValid
from identity.links import Link, Purpose
from identity.models import EmailChange, PasswordReset, Principal, User
from identity.services.authority import whole_tenant
from identity.services.mail import send_mail_on_commit
from identity.services.members import normal_email
from identity.services.moments import spoken
from identity.services.own_account import Own, confirm_password
from identity.services.passwords import user_actor
from identity.services.principals import end_credentials
from identity.services.sessions import Client
from identity.services.uniqueness import conflict_if_taken
from tenants.directory import tenant_of
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.selectors import tenant

CONFIRM_WITHIN = timedelta(days=1)
UNDO_WITHIN = timedelta(days=7)


def request_email_change(own: Own, *, email: str, current: str) -> None:
    """A link to the new address. Nothing changes before it is opened; a second request ends the first."""
    confirm_password(own, current)
    email = normal_email(email)
    if email == own.user.email:
        raise Invalid("This is your address already.", field="email", code="email_same")
    with transaction.atomic():
        EmailChange.objects.filter(user=own.user, confirmed_at=None).delete()
        link, expires_at = Link.new(Purpose.EMAIL, acting_tenant()), timezone.now() + CONFIRM_WITHIN
        EmailChange.objects.create(
            user=own.user,
            old_email=own.user.email,
            new_email=email,
            token_hash=link.digest(),
            expires_at=expires_at,
        )
        context = {"name": own.user.name, "email": email, "expires": spoken(expires_at)}
        send_mail_on_commit("email_confirm", email, context, customer_id=own.user.customer_id, link=link)
        own.record(EventKind.EMAIL_CHANGE_REQUESTED, body=_change(own.user.email, email))


def look_at_email_link(token: str) -> EmailChange:
    link = _read(Purpose.EMAIL, token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        return _confirmable(link)


def confirm_email_change(token: str, *, client: Client) -> EmailChange:
    """The new mailbox is theirs. The old one is told, and can take it back."""
    link = _read(Purpose.EMAIL, token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        change = _confirmable(link, lock=True)
        _move(change.user, change.new_email)
        undo = Link.new(Purpose.EMAIL_UNDO, link.tenant_id)
        change.undo_hash, change.confirmed_at = undo.digest(), timezone.now()
        change.undo_until = change.confirmed_at + UNDO_WITHIN
        change.save(update_fields=["undo_hash", "confirmed_at", "undo_until"])
        context = {"name": change.user.name, "email": change.new_email, "expires": spoken(change.undo_until)}
        send_mail_on_commit("email_changed", change.old_email, context, customer_id=change.user.customer_id, link=undo)
        by = user_actor(change.user, client)
        _record(EventKind.EMAIL_CHANGED, change.user, by, before=change.old_email, after=change.new_email)
        return change


def look_at_undo_link(token: str) -> EmailChange:
    link = _read(Purpose.EMAIL_UNDO, token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        return _undoable(link)


def undo_email_change(token: str, *, client: Client) -> EmailChange:
    """The old mailbox says that it was not them: whatever was opened with the account since is closed."""
    link = _read(Purpose.EMAIL_UNDO, token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        change = _undoable(link, lock=True)
        replaced = change.user.email
        _move(change.user, change.old_email)
        change.user.set_unusable_password()  # whoever changed the address knew it
        change.user.save(update_fields=["password"])
        end_credentials(change.user.principal, by=change.old_email)
        _forget_later(change)
        context = {"name": change.user.name, "email": change.old_email}
        send_mail_on_commit("email_restored", change.old_email, context, customer_id=change.user.customer_id)
        by = user_actor(change.user, client)
        _record(EventKind.EMAIL_RESTORED, change.user, by, before=replaced, after=change.old_email)
        return change


def _forget_later(change: EmailChange) -> None:
    """This link, and what was asked for or changed since: the links that those sent do not bring the other one back."""
    EmailChange.objects.filter(Q(id__gte=change.pk) | Q(confirmed_at=None), user=change.user).delete()


def _read(purpose: Purpose, token: str) -> Link:
    link = Link.read(purpose, token)
    if link is None:
        raise LinkNotValid
    return link


def _found(change: EmailChange | None) -> EmailChange:
    if change is None or change.user.principal.is_disabled or tenant_of("workspace", tenant().workspace) is None:
        raise LinkNotValid
    return change


def _confirmable(link: Link, *, lock: bool = False) -> EmailChange:
    rows = EmailChange.objects.select_related("user__principal").filter(token_hash=link.digest(), confirmed_at=None)
    change = _found((rows.select_for_update() if lock else rows).first())
    if change.expires_at <= timezone.now() or change.user.email != change.old_email:
        raise LinkNotValid
    return change


def _undoable(link: Link, *, lock: bool = False) -> EmailChange:
    rows = EmailChange.objects.select_related("user__principal").filter(undo_hash=link.digest())
    change = _found((rows.select_for_update() if lock else rows).first())
    if change.undo_until is None or change.undo_until <= timezone.now():
        raise LinkNotValid
    return change


def _move(user: User, email: str) -> None:
    """Links that wait in the other mailbox stop working."""
    try:
        with conflict_if_taken("Someone with this e-mail address is already here.", code="email_taken"):
            User.objects.filter(id=user.pk).update(email=email)
    except Conflict as taken:  # whether somebody has the address is not said to whoever holds a link
        raise LinkNotValid from taken
    with whole_tenant():
        Principal.objects.filter(id=user.pk).update(label=email)
    PasswordReset.objects.filter(user=user).delete()
    user.email = email


def _record(kind: EventKind, user: User, by: Actor, *, before: str, after: str) -> None:
    subject = ("user", user.pk, user.email)
    record(kind, actor=by, subject=subject, customer_id=user.customer_id, body=_change(before, after))


def _change(before: str, after: str) -> dict[str, dict[str, str]]:
    return {"before": {"email": before}, "after": {"email": after}}
