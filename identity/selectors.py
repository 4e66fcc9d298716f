import dataclasses
from collections.abc import Iterable
from uuid import UUID

from django.db.models import F, Prefetch, Q, QuerySet
from django.utils import timezone

from identity.errors import PrincipalRefused
from identity.models import AgentSession, Principal, RoleBinding, ServiceAccount, Session, User
from identity.permissions import Permission
from identity.principals import ActingPrincipal, Grant, PrincipalKind
from identity.roles import Role


def acting_principal(principal_id: UUID, *, epoch: int | None = None) -> ActingPrincipal:
    """The principal and what it may do as of now, in one query. PrincipalRefused when it may not act at all."""
    rows = list(
        Principal.objects.filter(id=principal_id).values_list(
            "kind", "label", "tenant_id", "epoch", "disabled_at",
            "bindings__role", "bindings__customer_id", "bindings__expires_at",
        ),
    )  # fmt: skip
    if not rows or rows[0][4] is not None or epoch not in {None, rows[0][3]}:
        raise PrincipalRefused
    now = timezone.now()
    kind, label, tenant_id, current_epoch, *_ = rows[0]
    return ActingPrincipal(
        id=principal_id,
        kind=PrincipalKind(kind),
        label=label,
        tenant_id=tenant_id,
        epoch=current_epoch,
        grants=tuple(
            Grant(Role(role), customer_id)
            for *_, role, customer_id, expires_at in rows
            if role and (expires_at is None or expires_at > now)
        ),
    )


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


def acting_agent(session_id: UUID, *, epoch: int, scopes: Iterable[str]) -> ActingPrincipal:
    """The person, through the agent that they let in: their roles of now, within what they agreed to."""
    session = live_agent_sessions().select_related("application", "user").filter(id=session_id, epoch=epoch).first()
    if session is None:
        raise PrincipalRefused
    principal = acting_principal(session.user_id, epoch=epoch)
    agreed = frozenset(session.scope.split()) & frozenset(scopes)
    return dataclasses.replace(
        principal.limited_to((session.customer_id,) if session.customer_id else None),
        kind=PrincipalKind.AGENT_SESSION,
        label=agent_label(session),
        agent_session_id=session.pk,
        scopes=frozenset(permission for permission in Permission if permission.value in agreed),
    )


def agent_label(session: AgentSession) -> str:
    return f"{session.application.name} for {session.user.email}"[:200]


def _bindings() -> "Prefetch[str]":
    return Prefetch("principal__bindings", RoleBinding.objects.select_related("customer").order_by("id"))


def members() -> QuerySet[User]:
    """People, newest first, each with its principal and bindings."""
    return User.objects.select_related("principal").prefetch_related(_bindings()).order_by("-id")


def service_accounts() -> QuerySet[ServiceAccount]:
    return ServiceAccount.objects.select_related("principal", "owner").prefetch_related(_bindings()).order_by("-id")


def bindings() -> QuerySet[RoleBinding]:
    return RoleBinding.objects.select_related("customer").order_by("-id")


def active_bindings() -> QuerySet[RoleBinding]:
    return RoleBinding.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def sessions() -> QuerySet[Session]:
    return Session.objects.select_related("principal").order_by("-id")
