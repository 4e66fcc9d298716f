from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from identity.errors import PrincipalRefused, TenantSuspended
from identity.models import Invitation, Principal, RoleBinding, ServiceAccount, Session, User
from identity.principals import ActingPrincipal, Grant, PrincipalKind
from identity.roles import Role
from tenants.directory import TenantActive
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed


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
    rows = Principal.objects.filter(id=principal_id).values_list(
        "kind", "label", "tenant_id", "epoch", "disabled_at", TenantActive(),
        "bindings__role", "bindings__customer_id", "bindings__expires_at",
    )  # fmt: skip
    return principal_of(principal_id, list(rows), epoch=epoch)


def principal_of(principal_id: UUID, rows: Sequence[Any], *, epoch: int | None = None) -> ActingPrincipal:
    """Out of the principal's columns, one row for each of its bindings."""
    if not rows or rows[0][4] is not None or epoch not in {None, rows[0][3]}:
        raise PrincipalRefused
    now = timezone.now()
    kind, label, tenant_id, current_epoch, _, active, *_ = rows[0]
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
    )


# As `known_principal` reads it.
_PRINCIPAL = (
    "SELECT p.kind, p.label, p.tenant_id, p.epoch, p.disabled_at, (SELECT border.tenant_active()),"
    " b.role, b.customer_id, b.expires_at"
    " FROM identity_principal p LEFT JOIN identity_rolebinding b"
    " ON b.tenant_id = p.tenant_id AND b.principal_id = p.id WHERE p.tenant_id = %s AND p.id = %s"
)


def ask_principal(db: Signed, principal_id: UUID) -> Any:
    """What `known_principal` reads, among other constant statements; its rows are for `principal_of`."""
    return db.ask(_PRINCIPAL, acting_tenant(), principal_id)


def _bindings() -> "Prefetch[str]":
    return Prefetch("principal__bindings", RoleBinding.objects.select_related("customer").order_by("id"))


def members() -> QuerySet[User]:
    """People, newest first, each with its principal and bindings."""
    return User.objects.select_related("principal").prefetch_related(_bindings()).order_by("-id")


def service_accounts() -> QuerySet[ServiceAccount]:
    return ServiceAccount.objects.select_related("principal", "owner").prefetch_related(_bindings()).order_by("-id")


def bindings() -> QuerySet[RoleBinding]:
    return RoleBinding.objects.select_related("customer").order_by("-id")


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
