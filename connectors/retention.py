"""What was asked for goes when the plan's days are over. That it was asked, by whom and when, stays."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from tenants.ids import uuid7_floor
from tenants.selectors import subscription

KEEPER = system("retention")
BATCH = 1000  # calls in one transaction


def forget_arguments(now: datetime) -> int:
    """Of the acting tenant's calls that have ended, in the worker. How many were emptied.

    The database reads the plan's days itself (border.forget_arguments): nobody can have it forget what is younger.
    """
    with transaction.atomic():
        held = subscription()
    if held is None or held.retention_days is None:
        return 0
    before = now - timedelta(days=held.retention_days)
    emptied, batch = 0, BATCH
    while batch == BATCH:
        batch = _batch(before, held.retention_days)
        emptied += batch
    return emptied


@transaction.atomic
def _batch(before: datetime, days: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.forget_arguments(%s, %s)", [uuid7_floor(before), BATCH])
        calls = int(cursor.fetchone()[0])
    if calls:
        told = {"before": before.isoformat(), "calls": calls, "retention_days": days}
        record(EventKind.ARGUMENTS_FORGOTTEN, actor=KEEPER, body=told)
    return calls
