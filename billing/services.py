"""Reserving quota before a call, metering it after."""

from datetime import datetime
from typing import Any
from uuid import UUID

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
from tenants.models import Customer, Entitlement

# The plan's counter, then the customer's: whoever waits for one of them waits in this order, so nobody waits in a ring.
_RESERVE = (
    "WITH plan AS (INSERT INTO billing_quotacounter AS counter (tenant_id, id, connector, month, used, warned)"
    " SELECT %s, %s, %s, %s, 1, 0 WHERE %s::int IS DISTINCT FROM 0"
    " ON CONFLICT (tenant_id, connector, month)"
    " DO UPDATE SET used = counter.used + 1 WHERE %s::int IS NULL OR counter.used < %s::int RETURNING used"
    "), share AS (INSERT INTO billing_customercounter AS counter (tenant_id, id, customer_id, month, used, warned)"
    " SELECT %s, %s, %s, %s, 1, 0 FROM plan WHERE %s::int IS DISTINCT FROM 0"
    " ON CONFLICT (tenant_id, customer_id, month)"
    " DO UPDATE SET used = counter.used + 1 WHERE %s::int IS NULL OR counter.used < %s::int RETURNING used"
    ") SELECT plan.used, share.used FROM plan LEFT JOIN share ON true"
)
_RELEASE = (
    "WITH plan AS (UPDATE billing_quotacounter SET used = used - 1"
    " WHERE tenant_id = %s AND connector = %s AND month = %s AND used > 0 RETURNING used"
    "), share AS (UPDATE billing_customercounter SET used = billing_customercounter.used - 1 FROM plan"
    " WHERE tenant_id = %s AND customer_id = %s AND month = %s AND billing_customercounter.used > 0"
    ") SELECT used FROM plan"
)
_METER = insertion(UsageEvent)
_PAYLOAD = (
    "customer_id", "occurred_at", "connector", "tool", "principal_id", "quantity", "vendor_requests", "egress_bytes",
    "ai_calls",
)  # fmt: skip


def reserve_call(db: Signed, entitlement: Entitlement, customer: Customer) -> Any:
    """Count one call of this month, for the plan and for the customer; its row has both numbers.

    There is no row when the included calls are used up, and None for the customer's number when those of its limit are:
    then the transaction has to be rolled back. One statement, so that concurrent calls cannot both take the last one.
    """
    tenant, month = acting_tenant(), this_month()
    most, share = None if entitlement.overage_allowed else entitlement.included_calls, customer.monthly_calls
    plan = [tenant, uuid7(), entitlement.connector, month, most, most, most]
    return db.ask(_RESERVE, *plan, tenant, uuid7(), customer.id, month, share, share, share)


def release_call(db: Signed, connector: str, customer_id: UUID | None, reserved_at: datetime) -> Any:
    """Give back the reservation of a call that the vendor did not do, in the month it was made for."""
    tenant, month = acting_tenant(), month_of(reserved_at)
    return db.ask(_RELEASE, tenant, connector, month, tenant, customer_id, month)


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
