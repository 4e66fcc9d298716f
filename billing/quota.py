"""Somebody is told when four fifths of a month's calls are used, and when all are: once each.

Of the plan's calls for a connector, and of the calls that a customer may use of them.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from billing.models import CustomerCounter, QuotaCounter
from billing.months import month_of
from tenants.models import Entitlement

LEVELS = (100, 80)
WATCH = system("watch of the quota")


def warn_of_quota(now: datetime) -> None:
    """Of the acting tenant. What was told stands in the counter's row, in the transaction of the event."""
    with transaction.atomic():
        included = dict(Entitlement.objects.values_list("connector", "included_calls"))
        for counter in QuotaCounter.objects.filter(month=month_of(now)):
            _warn(counter, included.get(counter.connector, 0), {"connector": counter.connector}, counter.connector)
        limited = CustomerCounter.objects.filter(month=month_of(now), customer__monthly_calls__gt=0)
        for share in limited.select_related("customer"):
            _warn(share, share.customer.monthly_calls or 0, {"customer": share.customer.key}, share.customer.name)


def _warn(counter: QuotaCounter | CustomerCounter, included: int, of: dict[str, Any], label: str) -> None:
    level = next((level for level in LEVELS if included and counter.used * 100 >= included * level), 0)
    known = type(counter).objects.filter(id=counter.pk, warned__lt=level)
    if not level or not known.update(warned=level):
        return
    record(
        EventKind.QUOTA_WARNED,
        actor=WATCH,
        subject=("quota", None, f"{label}, {counter.month:%Y-%m}, {level} %"),
        customer_id=counter.customer_id if isinstance(counter, CustomerCounter) else None,
        body={
            **of, "included_calls": included, "level": level, "month": f"{counter.month:%Y-%m}", "used": counter.used,
        },
    )  # fmt: skip
