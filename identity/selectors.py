import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, Prefetch, Q, QuerySet
from django.utils import timezone

from identity.errors import PrincipalRefused, TenantSuspended
from identity.models import (
    AgentSession,
    Invitation,
    Passkey,
    Principal,
    RoleBinding,
    SecurityPolicy,
    ServiceAccount,
    ServiceAccountKey,
    ServiceAccountSecret,
    Session,
    User,
)
from identity.permissions import Permission
from identity.principals import ActingPrincipal, Grant, PrincipalKind
from identity.roles import Role
from tenants.directory import TenantActive
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed

ENDINGS = (("never", "Never"), ("later", "Later"), ("ended", "Has ended"))


_OF_PRINCIPAL: tuple[Any, ...] = (
    "kind", "label", "tenant_id", "epoch", "disabled_at", "networks", TenantActive(),
    "bindings__role", "bindings__customer_id", "bindings__expires_at",
)  # fmt: skip


def acting_principal(principal_id: UUID, *, epoch: int | None = None) -> ActingPrincipal:
    """The principal and what it may do as of now, in one query.

    PrincipalRefused when it may not act at all, TenantSuspended when nobody of its tenant may.
    """
    principal = known_principal(principal_id, epoch=epoch)
    if not principal.tenant_active:
        raise TenantSuspended
    return principal


def known_principal(principal_id: UUID, *, epoch: int | None = None) -> ActingPrincipal:
    """Like acting_principal, for a door that names the suspended tenant itself: then there is not a single grant."""
    rows = Principal.objects.filter(id=principal_id).values_list(*_OF_PRINCIPAL)
    return principal_of(principal_id, list(rows), epoch=epoch)


def known_principals(ids: Iterable[UUID]) -> dict[UUID, ActingPrincipal]:
    """Those of them that may act now, in one query."""
    rows: dict[UUID, list[Any]] = {}
    for row in Principal.objects.filter(id__in=set(ids)).values_list("id", *_OF_PRINCIPAL):
        rows.setdefault(row[0], []).append(row[1:])
    found = {}
    for principal_id, own in rows.items():
        with contextlib.suppress(PrincipalRefused):
            found[principal_id] = principal_of(principal_id, own)
    return found


def principal_of(principal_id: UUID, rows: Sequence[Any], *, epoch: int | None = None) -> ActingPrincipal:
    """Out of the principal's columns, one row for each of its bindings."""
    if not rows or rows[0][4] is not None or epoch not in {None, rows[0][3]}:
        raise PrincipalRefused
    now = timezone.now()
    kind, label, tenant_id, current_epoch, _, networks, active, *_ = rows[0]
    return ActingPrincipal(
        id=principal_id,
        kind=PrincipalKind(kind),
        label=label,
        tenant_id=tenant_id,
        epoch=current_epoch,
        grants=tuple(
            Grant(Role(role), customer_id)
            for *_, role, customer_id, expires_at in rows
            if active and role and (expires_at is None or expires_at > now)
        ),
        tenant_active=active,
        networks=networks,
    )


# As `known_principal` reads it.
_PRINCIPAL = (
    "SELECT p.kind, p.label, p.tenant_id, p.epoch, p.disabled_at, p.networks, (SELECT border.tenant_active()),"
    " b.role, b.customer_id, b.expires_at"
    " FROM identity_principal p LEFT JOIN identity_rolebinding b"
    " ON b.tenant_id = p.tenant_id AND b.principal_id = p.id WHERE p.tenant_id = %s AND p.id = %s"
)


def ask_principal(db: Signed, principal_id: UUID) -> Any:
    """What `known_principal` reads, among other constant statements; its rows are for `principal_of`."""
    return db.ask(_PRINCIPAL, acting_tenant(), principal_id)


def live_agent_sessions() -> QuerySet[AgentSession]:
    """Neither ended nor over, and made since the person was last changed."""
    return AgentSession.objects.filter(
        ended_at=None,
        expires_at__gt=timezone.now(),
        epoch=F("user__principal__epoch"),
        user__principal__disabled_at=None,
    )


def visible_agent_sessions(principal: ActingPrincipal) -> QuerySet[AgentSession]:
    """One's own; for those who look after people, everybody's. Those whose code was never exchanged are not there."""
    rows = live_agent_sessions().exclude(first_used_at=None).select_related("application", "user", "customer")
    if not principal.allows_everywhere(Permission.IDENTITY_MEMBER_READ):
        rows = rows.filter(user_id=principal.id)
    return rows.order_by("-id")


def known_agent(session_id: UUID, *, epoch: int, scopes: Iterable[str]) -> ActingPrincipal:
    """The person, through the agent that they let in: their roles of now, within what they agreed to."""
    session = live_agent_sessions().filter(id=session_id, epoch=epoch)
    row = session.values_list("id", "customer_id", "scope", "application__name", "user__email", "user_id").first()
    if row is None:
        raise PrincipalRefused
    return agent_of(known_principal(row[-1], epoch=epoch), row[:-1], scopes)


def agent_of(principal: ActingPrincipal, row: Sequence[Any], scopes: Iterable[str]) -> ActingPrincipal:
    """Out of the columns of the live session. Of its scopes those that the token was given."""
    session_id, customer_id, agreed, client, email = row
    given = frozenset(agreed.split()) & frozenset(scopes)
    return dataclasses.replace(
        principal.limited_to((customer_id,) if customer_id else None),
        kind=PrincipalKind.AGENT_SESSION,
        label=label_of_agent(client, email),
        person=email,
        agent_session_id=session_id,
        scopes=frozenset(permission for permission in Permission if permission.value in given),
    )


def label_of_agent(client: str, email: str) -> str:
    return f"{client} for {email}"[:200]


def agent_label(session: AgentSession) -> str:
    return label_of_agent(session.application.name, session.user.email)


# As `known_agent` reads it, of the principal that is asked for beside it.
_AGENT = (
    "SELECT s.id, s.customer_id, s.scope, a.name, u.email FROM identity_agentsession s"
    " JOIN identity_oauthapplication a ON a.tenant_id = s.tenant_id AND a.id = s.application_id"
    " JOIN identity_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id"
    " WHERE s.tenant_id = %s AND s.id = %s AND s.user_id = %s AND s.epoch = %s"
    " AND s.ended_at IS NULL AND s.expires_at > now()"
)
# The last use, for people to see: at most once a minute, and never waiting for another who writes the same.
_TOUCH = (
    "UPDATE identity_agentsession SET last_used_at = now() WHERE tenant_id = %s AND id ="
    " (SELECT id FROM identity_agentsession WHERE tenant_id = %s AND id = %s"
    " AND last_used_at < now() - interval '1 minute' FOR UPDATE SKIP LOCKED) RETURNING true"
)


def ask_agent(db: Signed, session_id: UUID, *, user_id: UUID, epoch: int) -> Any:
    """The live session, among other constant statements; its row is for `agent_of`."""
    db.ask(_TOUCH, acting_tenant(), acting_tenant(), session_id)
    return db.ask(_AGENT, acting_tenant(), session_id, user_id, epoch)


def _bindings() -> "Prefetch[str]":
    return Prefetch("principal__bindings", RoleBinding.objects.select_related("customer").order_by("id"))


def members() -> QuerySet[User]:
    """People, newest first, each with its principal and bindings."""
    return User.objects.select_related("principal").prefetch_related(_bindings()).order_by("-id")


def service_accounts() -> QuerySet[ServiceAccount]:
    return (
        ServiceAccount.objects.select_related("principal", "owner__principal")
        .prefetch_related(_bindings())
        .order_by("-id")
    )


SECRETS_SHOWN = 50  # the newest; older ones matter only when they come back


def secrets_of(account: ServiceAccount) -> QuerySet[ServiceAccountSecret]:
    return ServiceAccountSecret.objects.filter(account=account).order_by("-id")


KEYS_SHOWN = 20


def keys_of(account: ServiceAccount) -> QuerySet[ServiceAccountKey]:
    return ServiceAccountKey.objects.filter(account=account).order_by("-id")


def bindings() -> QuerySet[RoleBinding]:
    return RoleBinding.objects.select_related("customer").order_by("-id")


def role_bindings() -> QuerySet[RoleBinding]:
    """Who has which role: those whose principal the acting context shows."""
    return bindings().select_related("principal")


def ending(rows: QuerySet[RoleBinding], when: str) -> QuerySet[RoleBinding]:
    """Those that never end, end later, or have ended."""
    now = timezone.now()
    wanted = {"never": Q(expires_at=None), "later": Q(expires_at__gt=now), "ended": Q(expires_at__lte=now)}
    return rows.filter(wanted[when])


def invitations() -> QuerySet[Invitation]:
    """Newest first, each with its customer and how its message fared."""
    return Invitation.objects.select_related("customer", "mail").order_by("-id")


def invitations_in(rows: QuerySet[Invitation], state: str) -> QuerySet[Invitation]:
    """Those in that state (Invitation.state)."""
    waiting = Q(accepted_at=None, withdrawn_at=None)
    now = timezone.now()
    return rows.filter(
        {
            "pending": waiting & Q(expires_at__gt=now),
            "expired": waiting & Q(expires_at__lte=now),
            "accepted": Q(accepted_at__isnull=False),
            "withdrawn": Q(withdrawn_at__isnull=False),
        }[state]
    )


def active_bindings() -> QuerySet[RoleBinding]:
    return RoleBinding.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def sessions() -> QuerySet[Session]:
    return Session.objects.select_related("principal").order_by("-id")


def sessions_of(principal_id: UUID) -> QuerySet[Session]:
    return sessions().filter(principal_id=principal_id)


def passkeys_of(user_id: UUID) -> QuerySet[Passkey]:
    rows: QuerySet[Passkey] = Passkey.objects.filter(user_id=user_id).order_by("-id")
    return rows


def security_policy() -> SecurityPolicy:
    """The tenant's, or the defaults."""
    return SecurityPolicy.objects.first() or SecurityPolicy()


def sessions_in_sight(principal: ActingPrincipal) -> QuerySet[Session]:
    """One's own, and those of the people one may see: everyone's, or those of one's customers."""
    reading = Permission.IDENTITY_MEMBER_READ
    if principal.allows_everywhere(reading):
        return sessions()
    customers = [grant.customer_id for grant in principal.grants if grant.customer_id and reading in grant.permissions]
    return sessions().filter(Q(principal_id=principal.id) | Q(customer_id__in=customers))
