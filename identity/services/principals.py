"""Closing and opening an account. Both take effect on the principal's next request."""

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.errors import HoldsMore
from identity.models import Principal, ServiceAccount, Session
from identity.principals import Grant, PrincipalKind
from identity.roles import Role
from identity.selectors import active_bindings
from identity.services.authority import authorise, lock_principal, principal_of, refuse_own, whole_tenant
from identity.services.bindings import keep_an_owner, manage_permission
from identity.services.ending import end_other_sessions
from identity.services.notices import ADMINS, holders, tell_all, tell_person
from identity.services.seats import take_seat

SHOWN_ACCOUNTS = 10


def _all_grants(principal: Principal) -> list[Grant]:
    """Also those that the acting context does not show: roles for the whole tenant and for other customers."""
    with whole_tenant():
        return [
            Grant(Role(binding.role), binding.customer_id) for binding in active_bindings().filter(principal=principal)
        ]


def check_managed(principal: Principal, by: Actor) -> None:
    """Refused unless `by` may manage people there, and the principal holds no more than `by` does."""
    authorise(by, manage_permission(principal), principal.customer_id)
    acting = principal_of(by)
    if acting is not None and not all(acting.covers(grant) for grant in _all_grants(principal)):
        raise HoldsMore


def lock_managed(principal_id: UUID, by: Actor) -> Principal:
    principal = lock_principal(principal_id)
    check_managed(principal, by)
    return principal


def end_credentials(
    principal: Principal,
    reason: Session.End = Session.End.WITHDRAWN,
    *,
    by: str = "",
    keep: UUID | None = None,
) -> None:
    """The one way: whatever was issued so far carries the old epoch and stops working, sessions, agents and tokens.

    `keep`: the session of the person who does it, which goes on with the new epoch.
    """
    with whole_tenant():
        Principal.objects.filter(id=principal.pk).update(epoch=F("epoch") + 1)
        end_other_sessions(principal.pk, reason, by=by, keep=keep)
        if keep is not None:
            epoch = Principal.objects.values_list("epoch", flat=True).get(id=principal.pk)
            Session.objects.filter(id=keep, principal=principal, ended_at=None).update(epoch=epoch)


@transaction.atomic
def disable_principal(principal_id: UUID, *, by: Actor) -> None:
    refuse_own(principal_id, by)
    principal = lock_managed(principal_id, by)
    if principal.is_disabled:
        return
    keep_an_owner(principal)
    Principal.objects.filter(id=principal.pk).update(disabled_at=timezone.now())
    end_credentials(principal, Session.End.DISABLED, by=by.label)
    _record(EventKind.PRINCIPAL_DISABLED, principal, by)
    tell_person(principal, "account_disabled", by)
    _tell_of_accounts(principal, by)


@transaction.atomic
def enable_principal(principal_id: UUID, *, by: Actor) -> None:
    principal = lock_managed(principal_id, by)
    if not principal.is_disabled:
        return
    if principal.kind == PrincipalKind.USER:
        take_seat()
    Principal.objects.filter(id=principal.pk).update(disabled_at=None)
    ServiceAccount.objects.filter(id=principal.pk).update(locked_at=None)
    end_credentials(principal)
    _record(EventKind.PRINCIPAL_ENABLED, principal, by)
    tell_person(principal, "account_enabled", by)


def _tell_of_accounts(principal: Principal, by: Actor) -> None:
    """Automation that the person answers for goes on: the admins give it somebody else."""
    with whole_tenant():
        left = ServiceAccount.objects.filter(owner_id=principal.pk, principal__disabled_at=None).order_by("name")
        names = list(left.values_list("name", flat=True))
    if names:
        shown = ", ".join(names[:SHOWN_ACCOUNTS])
        more = f" and {len(names) - SHOWN_ACCOUNTS} more" if len(names) > SHOWN_ACCOUNTS else ""
        tell_all(holders(ADMINS), "ownerless", by=by.label, person=principal.label, accounts=shown + more)


def _record(kind: EventKind, principal: Principal, by: Actor) -> None:
    subject = ("principal", principal.pk, principal.label)
    record(kind, actor=by, subject=subject, customer_id=principal.customer_id, body={"kind": principal.kind})
