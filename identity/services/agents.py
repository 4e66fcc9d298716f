"""Agent sessions: a person lets an MCP client in, the client proves itself again and again, and somebody ends it.

What is presented twice ends the session: whoever did it, one of the two is not the client.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from identity.errors import PermissionMissing, PrincipalRefused
from identity.models import AgentSession, OAuthApplication, OAuthCode, OAuthRefreshToken, User
from identity.oauth.clients import ClientMetadata
from identity.oauth.hints import CODE, REFRESH, Hinted
from identity.permissions import Permission
from identity.principals import ActingPrincipal, PrincipalKind
from identity.selectors import agent_label, known_agent
from identity.services.authority import authorise
from identity.services.notices import ADMINS, holders, person, tell_all
from identity.services.sessions import Client
from tenants.errors import Invalid, NotAllowed, NotFound
from tenants.isolation.context import acting_for, current
from tenants.models import Customer
from tenants.selectors import customers

CODE_SECONDS = 60
SESSION_LIFETIME = timedelta(days=30)  # then the person signs in and agrees again
IDLE_LIFETIME = timedelta(days=7)  # of a refresh token that is not used
TOOLS = frozenset(permission for permission in Permission if permission.value.startswith("gateway:tool:"))


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What the client asked for and the person chose. Without a customer: all that the person may reach."""

    client: ClientMetadata
    scopes: tuple[str, ...]
    customer: Customer | None


@dataclasses.dataclass(frozen=True, slots=True)
class Presented:
    """A code or refresh token that was good, and whom it stands for."""

    row: OAuthCode | OAuthRefreshToken
    session: AgentSession
    principal: ActingPrincipal


def agreeable(principal: ActingPrincipal, scopes: tuple[str, ...], customer: Customer | None) -> tuple[Permission, ...]:
    """Of what a client asked for, what the person's own roles allow there."""
    held = principal.limited_to((customer.pk,) if customer else None).permissions() & TOOLS
    return tuple(sorted(permission for permission in held if permission.value in scopes))


def may_cross(principal: ActingPrincipal) -> bool:
    """Only who works for every customer may let an agent do so; for the rest it is one at a time."""
    return any(principal.allows_everywhere(permission) for permission in TOOLS)


def reachable_customers(principal: ActingPrincipal) -> list[Customer]:
    """Those for whom the person may run some tool."""
    active = customers().filter(status=Customer.Status.ACTIVE).order_by("name")
    return [found for found in active if any(principal.allows(permission, found.pk) for permission in TOOLS)]


@transaction.atomic
def start_agent_session(principal: ActingPrincipal, wish: Wish, *, by: Actor) -> AgentSession:
    """The person agreed. Until its code is exchanged, the session lives no longer than that."""
    agreed = _agreed(principal, wish)
    session = AgentSession.objects.create(
        user_id=principal.id,
        application=_application(wish.client),
        customer=wish.customer,
        cross_customer=wish.customer is None,
        scope=" ".join(agreed),
        epoch=principal.epoch,
        expires_at=timezone.now() + timedelta(seconds=CODE_SECONDS),
        address=by.address,
    )
    body = {
        "client_id": wish.client.client_id if wish.client.has_document else wish.client.key,
        "cross_customer": session.cross_customer,
        "redirect_uris": list(wish.client.redirect_uris),
        "scope": session.scope,
        "verified": wish.client.has_document,
    }
    _record(EventKind.AGENT_CONNECTED, session, by, body=body)
    reach = f"for {wish.customer.name} only" if wish.customer else "for every customer"
    _tell([person(session.user_id)], "agent_connected", session, reach=reach, address=by.address)
    return session


def _agreed(principal: ActingPrincipal, wish: Wish) -> tuple[Permission, ...]:
    if principal.kind is not PrincipalKind.USER:
        raise NotAllowed("Only a person can connect an agent.")
    if wish.customer is None and not may_cross(principal):
        raise Invalid(
            "Choose one customer: your roles are not for all of them.", field="customer", code="customer_needed"
        )
    if wish.customer is not None and wish.customer.status != Customer.Status.ACTIVE:
        raise Invalid("This customer is archived.", field="customer", code="customer_archived")
    agreed = agreeable(principal, wish.scopes, wish.customer)
    if not agreed:
        raise Invalid("None of your roles runs tools for this customer.", field="customer", code="nothing_to_give")
    return agreed


def _application(client: ClientMetadata) -> OAuthApplication:
    described = client.application()
    application, made = OAuthApplication.objects.get_or_create(
        client_key=client.key,
        defaults={
            "client_id": described.client_id,
            "name": described.name,
            "redirect_uris": described.redirect_uris,
            "client_type": described.client_type,
            "authorization_grant_type": described.authorization_grant_type,
            "registration_source": described.registration_source,
        },
    )
    if not made:  # a document may have changed since
        application.name, application.redirect_uris = described.name, described.redirect_uris
        application.save(update_fields=["name", "redirect_uris"])
    return application


@transaction.atomic
def refuse_agent(principal: ActingPrincipal, client: ClientMetadata, *, by: Actor) -> None:
    subject = ("principal", principal.id, principal.label)
    body = {"client": client.name, "client_id": client.client_id if client.has_document else client.key}
    record(EventKind.AGENT_DENIED, actor=by, subject=subject, result="refused", body=body)


def application_of(client_id: str) -> OAuthApplication | None:
    key = hashlib.sha256(client_id.encode()).hexdigest()
    return OAuthApplication.objects.filter(client_key=key).first()


def save_code(session: AgentSession, *, redirect_uri: str, code_challenge: str, resource: str) -> str:
    """The code, which is not kept."""
    code = Hinted.new(session.tenant_id, session.user_id)
    OAuthCode.objects.create(
        code=code.digest,
        user_id=session.user_id,
        application_id=session.application_id,
        agent_session=session,
        expires=timezone.now() + timedelta(seconds=CODE_SECONDS),
        redirect_uri=redirect_uri,
        scope=session.scope,
        code_challenge=code_challenge,
        code_challenge_method="S256",
        resource=[resource],
    )
    return code.sealed(CODE)


def spend_code(sealed: str, application: OAuthApplication, origin: Client) -> Presented | None:
    """A code is spent by being presented, whatever else is wrong with the request. A second time ends the session."""
    code = Hinted.read(sealed, CODE)
    rows = OAuthCode.objects.select_for_update(of=("self",)).select_related("agent_session__application")
    row = rows.filter(code=code.digest, application=application).first() if code else None
    if row is None:
        return None
    if row.used_at is not None:
        _end_as_stolen(row.agent_session, "code_replayed", origin)
        return None
    OAuthCode.objects.filter(id=row.pk).update(used_at=timezone.now())
    if row.is_expired():
        return None
    return _presented(row)


def find_refresh_token(sealed: str, application: OAuthApplication, origin: Client) -> Presented | None:
    """One that was rotated away ends the session, and with it whatever came of the token."""
    token = Hinted.read(sealed, REFRESH)
    rows = OAuthRefreshToken.objects.select_for_update(of=("self",)).select_related("agent_session__application")
    row = rows.filter(token_checksum=token.digest, application=application).first() if token else None
    if row is None:
        return None
    if row.revoked is not None:
        _end_as_stolen(row.agent_session, "refresh_token_replayed", origin)
        return None
    return _presented(row) if row.expires > timezone.now() else None


def _presented(row: OAuthCode | OAuthRefreshToken) -> Presented | None:
    session = row.agent_session
    try:
        principal = known_agent(session.pk, epoch=session.epoch, scopes=session.scope.split())
    except PrincipalRefused:
        return None
    if not principal.tenant_active:
        return None
    return Presented(row, session, principal)


def keep_alive(presented: Presented) -> None:
    """Before the tokens are made: an exchanged code makes the session last."""
    now, session = timezone.now(), presented.session
    if isinstance(presented.row, OAuthCode):
        session.expires_at = now + SESSION_LIFETIME
    session.first_used_at, session.last_used_at = session.first_used_at or now, now
    session.save(update_fields=["expires_at", "first_used_at", "last_used_at"])


@dataclasses.dataclass(frozen=True, slots=True)
class Issued:
    """The access token that goes out with a refresh token."""

    token_id: str
    seconds: int


def save_refresh_token(presented: Presented, token: Hinted, *, issued: Issued, origin: Client) -> None:
    """The new one takes the place of the one that was presented."""
    now, session = timezone.now(), presented.session
    OAuthRefreshToken.objects.filter(id=presented.row.pk).update(revoked=now)
    OAuthRefreshToken.objects.create(
        token_checksum=token.digest,
        user_id=session.user_id,
        application_id=session.application_id,
        agent_session=session,
        expires=min(now + IDLE_LIFETIME, session.expires_at),
    )
    actor = presented.principal.actor(origin.address, origin.request_id)
    body = {"scope": session.scope, "seconds": issued.seconds, "token": issued.token_id}
    _record(EventKind.TOKEN_ISSUED, session, actor, body=body)


def _end_as_stolen(session: AgentSession, because: str, origin: Client) -> None:
    actor = Actor(
        ActorKind.AGENT,
        session.pk,
        agent_label(session),
        origin.address,
        origin.request_id,
        on_behalf_of=Actor(ActorKind.USER, session.user_id, session.user.email),
    )
    if _end(session, because):  # later tries end nothing, and are only recorded
        user = person(session.user_id)
        _tell([user, *holders(ADMINS)], "agent_reused", session, person=user.email, address=origin.address)
    _record(EventKind.AGENT_CREDENTIAL_REUSED, session, actor, body={"alert": True, "what": because}, result="refused")


def _end(session: AgentSession, because: str) -> bool:
    ended = AgentSession.objects.filter(id=session.pk, ended_at=None)
    return bool(ended.update(ended_at=timezone.now(), ended_because=because))


def revoke_by_client(session_id: UUID, application: OAuthApplication, origin: Client) -> None:
    """RFC 7009: the client is done. It ends the whole session, whichever of its tokens was named."""
    rows = AgentSession.objects.select_related("application", "user")
    session = rows.filter(id=session_id, application=application).first()
    if session is None or not _end(session, "client"):
        return
    actor = Actor(
        ActorKind.AGENT,
        session.pk,
        agent_label(session),
        origin.address,
        origin.request_id,
        on_behalf_of=Actor(ActorKind.USER, session.user_id, session.user.email),
    )
    _record(EventKind.AGENT_ENDED, session, actor, body={"because": "client"})


@transaction.atomic
def end_agent_session(session_id: UUID, *, by: Actor) -> None:
    """By the person, or by someone who manages them. Its tokens are refused from the next request on."""
    rows = AgentSession.objects.select_related("application", "user__principal")
    session = rows.filter(id=session_id).first()
    if session is None:
        raise NotFound
    if session.user_id != by.id:
        try:
            authorise(by, Permission.IDENTITY_MEMBER_MANAGE, session.user.customer_id)
        except PermissionMissing as missing:
            raise NotFound from missing
    because = "person" if session.user_id == by.id else "admin"
    if _end(session, because):
        _record(EventKind.AGENT_ENDED, session, by, body={"because": because})
        if because == "admin":
            _tell([session.user], "agent_ended", session, by=by.label)


def _tell(people: list[User], template: str, session: AgentSession, **context: str) -> None:
    tell_all(people, template, agent=session.application.name, **context)


def _record(
    kind: EventKind, session: AgentSession, actor: Actor, *, body: dict[str, object], result: str = "ok"
) -> None:
    subject = ("agent_session", session.pk, agent_label(session))
    with _reaching(session.customer_id):
        record(kind, actor=actor, subject=subject, customer_id=session.customer_id, result=result, body=body)


@contextlib.contextmanager
def _reaching(customer_id: UUID | None) -> Iterator[None]:
    """Wide enough to write of the agent's customer: the token endpoint reaches none, its person maybe not this."""
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    if customer_id is None or context.customers is None or customer_id in context.customers:
        yield
        return
    with acting_for(dataclasses.replace(context, customers=(*context.customers, customer_id))):
        yield
