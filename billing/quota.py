"""Somebody is told when four fifths of a month's calls are used, and when all are: once each."""

from datetime import datetime

from django.db import transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from billing.models import QuotaCounter
from billing.months import month_of
from tenants.models import Entitlement

LEVELS = (100, 80)
WATCH = system("watch of the quota")


def warn_of_quota(now: datetime) -> None:
    """Of the acting tenant. What was told stands in the counter's row, in the transaction of the event."""
    with transaction.atomic():
        included = dict(Entitlement.objects.values_list("connector", "included_calls"))
        for counter in QuotaCounter.objects.filter(month=month_of(now)):
            level = _level(counter.used, included.get(counter.connector, 0))
            if level and QuotaCounter.objects.filter(id=counter.pk, warned__lt=level).update(warned=level):
                _tell(counter, level, included[counter.connector])


def _level(used: int, included: int) -> int:
    return next((level for level in LEVELS if included and used * 100 >= included * level), 0)


def _tell(counter: QuotaCounter, level: int, included: int) -> None:
    record(
        EventKind.QUOTA_WARNED,
        actor=WATCH,
        subject=("quota", None, f"{counter.connector}, {counter.month:%Y-%m}, {level} %"),
        body={
            "connector": counter.connector, "included_calls": included, "level": level,
            "month": f"{counter.month:%Y-%m}", "used": counter.used,
        },
    )  # fmt: skip
