"""Reserving quota before a call, metering it after."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from billing.models import UsageEvent
from billing.months import LATE, month_of, this_month
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, insertion, values_of
from tenants.models import Entitlement

_RESERVE = (
    "INSERT INTO billing_quotacounter AS counter (tenant_id, id, connector, month, used, warned)"
    " SELECT %s, %s, %s, %s, 1, 0 WHERE %s::int IS DISTINCT FROM 0"
    " ON CONFLICT (tenant_id, connector, month)"
    " DO UPDATE SET used = counter.used + 1 WHERE %s::int IS NULL OR counter.used < %s::int RETURNING used"
)
_RELEASE = (
    "UPDATE billing_quotacounter SET used = used - 1"
    " WHERE tenant_id = %s AND connector = %s AND month = %s AND used > 0 RETURNING used"
)
_METER = insertion(UsageEvent)
_PAYLOAD = ("customer_id", "occurred_at", "connector", "tool", "principal_id", "quantity", "vendor_requests")


def reserve_call(db: Signed, entitlement: Entitlement) -> Any:
    """Count one call of this month. Its row has the number; there is none when the included calls are used up.

    One statement, so that concurrent calls cannot both take the last one.
    """
    limit = None if entitlement.overage_allowed else entitlement.included_calls
    values = [acting_tenant(), uuid7(), entitlement.connector, this_month(), limit, limit, limit]
    return db.ask(_RESERVE, *values)


def release_call(db: Signed, connector: str, reserved_at: datetime) -> Any:
    """Give back the reservation of a call that the vendor did not do, in the month it was made for."""
    return db.ask(_RELEASE, acting_tenant(), connector, month_of(reserved_at))


def meter_call(db: Signed, usage: UsageEvent) -> Any:
    """In the transaction of the call's outcome and its audit event. A second one for the same call is refused."""
    return db.ask(_METER, *values_of(usage))


def meter(usage: UsageEvent) -> bool:
    """A call's usage that comes from elsewhere, perhaps again: False when it is known. Conflict when it says otherwise.

    Invalid when it is older than what can land in its month.
    """
    if usage.recorded_at - usage.occurred_at > LATE:
        raise Invalid(f"It is older than {LATE.days} days.", field="occurred_at", code="usage_too_late")
    try:
        with transaction.atomic():
            usage.save(force_insert=True)
    except IntegrityError:
        known = UsageEvent.objects.get(id=usage.pk)
        if any(getattr(known, name) != getattr(usage, name) for name in _PAYLOAD):
            raise Conflict("This call is metered already, with other usage.", code="usage_differs") from None
        return False
    return True


@transaction.atomic
def set_entitlement(
    connector: str, *, included_calls: int, calls_per_minute: int, overage_allowed: bool = False, by: Actor
) -> Entitlement:
    """What the acting tenant may use of a connector, from now on."""
    return write_entitlement(
        connector, included_calls=included_calls, calls_per_minute=calls_per_minute, overage_allowed=overage_allowed,
        by=by,
    )  # fmt: skip


def write_entitlement(connector: str, *, by: Actor, **terms: Any) -> Entitlement:
    """In the open transaction: one entitlement of what others read, and its event."""
    entitlement, _ = Entitlement.objects.update_or_create(connector=connector, defaults={**terms, "valid_until": None})
    record(EventKind.ENTITLEMENT_SET, actor=by, subject=("entitlement", entitlement.id, connector), body=terms)
    return entitlement
