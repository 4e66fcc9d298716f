from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from identity.errors import PrincipalRefused
from identity.models import Invitation, Principal, RoleBinding, ServiceAccount, Session, User
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
