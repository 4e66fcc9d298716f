"""A forgotten password: a link by mail sets a new one. The second factor stays, and is asked for as always."""

import time
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity.cookies import PendingSignIn
from identity.errors import LinkNotValid
from identity.links import Link, Purpose
from identity.models import PasswordReset, Session, User
from identity.services.attempts import admit
from identity.services.factors import confirmed_device
from identity.services.mail import enqueue_nothing_on_commit, send_mail_on_commit, tell
from identity.services.moments import spoken
from identity.services.own_account import set_password
from identity.services.principals import end_credentials
from identity.services.sessions import Client
from identity.services.throttling import network
from tenants.directory import tenant_of
from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.selectors import tenant

# Longer than the longest pause between two messages, so that whoever asks in the owner's place, and too often, only
# fills the owner's mailbox: there is always a link in it that works.
LIFETIME = timedelta(hours=1)
ANSWER_SECONDS = 0.5
ADDRESS_FREE = 20


def request_password_reset(*, workspace: str, email: str, client: Client) -> None:
    """The same for everyone, after the same time: whether somebody is there shows in the mailbox alone."""
    started = time.monotonic()
    found = tenant_of("workspace", workspace.strip().lower())
    if found is not None:
        with acting_for(Context(found)), transaction.atomic():
            _request(email.strip().lower(), client)
    time.sleep(max(0.0, started + ANSWER_SECONDS - time.monotonic()))


def _request(email: str, client: Client) -> None:
    if not admit("reset", "address", network(client.address), free=ADDRESS_FREE):
        return
    user = User.objects.select_related("principal").filter(email=email, principal__disabled_at=None).first()
    if user is not None and admit("reset", user.pk.hex):
        _send(user, client)
    else:
        enqueue_nothing_on_commit()


def _send(user: User, client: Client) -> None:
    link, expires_at = Link.new(Purpose.PASSWORD, acting_tenant()), timezone.now() + LIFETIME
    PasswordReset.objects.filter(user=user, expires_at__lte=timezone.now()).delete()
    PasswordReset.objects.create(user=user, token_hash=link.digest(), expires_at=expires_at)
    context = {"workspace": tenant().workspace, "email": user.email, "expires": spoken(expires_at)}
    send_mail_on_commit("password_reset", user.email, context, customer_id=user.customer_id, link=link)
    somebody = Actor(ActorKind.USER, None, "not signed in", client.address, client.request_id)
    _record(EventKind.PASSWORD_RESET_REQUESTED, user, somebody)


def look_at_password_link(token: str) -> str:
    """Whose password it sets. LinkNotValid for all that is not good now."""
    link = _read(token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        email: str = _valid(link).user.email
        return email


def reset_password(token: str, *, password: str, client: Client) -> PendingSignIn:
    """The new password is the first step of a sign-in; whoever was signed in is not any more.

    Tries of codes are not forgiven: a mailbox alone must not be a way to guess them without end.
    """
    link = _read(token)
    with acting_for(Context(link.tenant_id)), transaction.atomic():
        user = _valid(link, lock=True).user
        set_password(user, password)
        PasswordReset.objects.filter(user=user).delete()
        end_credentials(user.principal, Session.End.PASSWORD_CHANGED, by=user.email)
        _record(EventKind.PASSWORD_RESET, user, user_actor(user, client))
        tell(user, "password_changed", at=spoken(timezone.now()), address=client.address)
        return _pending(user, link.tenant_id)


def _read(token: str) -> Link:
    link = Link.read(Purpose.PASSWORD, token)
    if link is None:
        raise LinkNotValid
    return link


def _valid(link: Link, *, lock: bool = False) -> PasswordReset:
    found = PasswordReset.objects.select_related("user__principal").filter(token_hash=link.digest())
    reset = (found.select_for_update() if lock else found).first()
    if reset is None or reset.expires_at <= timezone.now() or reset.user.principal.is_disabled:
        raise LinkNotValid
    if tenant_of("workspace", tenant().workspace) is None:
        raise LinkNotValid
    return reset


def _pending(user: User, tenant_id: UUID) -> PendingSignIn:
    user.principal.refresh_from_db(fields=["epoch"])
    enrolled = confirmed_device(user) is not None
    return PendingSignIn(tenant_id, user.pk, user.principal.epoch, tenant().workspace, enrolled)


def user_actor(user: User, client: Client) -> Actor:
    """Whoever holds the link from the person's mailbox acts as the person."""
    return Actor(ActorKind.USER, user.pk, user.email, client.address, client.request_id)


def _record(kind: EventKind, user: User, by: Actor) -> None:
    record(kind, actor=by, subject=("user", user.pk, user.email), customer_id=user.customer_id)
