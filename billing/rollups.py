"""From what was recorded to hours, from hours to days. Run again at any time, it gives the same.

An hour in which something was recorded since the last run is made anew from all that it holds, in the database: so it
does not matter how often, or in which order, or in how many parts it runs. What is found for a month that is closed
changes nothing of it and becomes a correction.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from billing.meters import GAUGES, METERS
from billing.models import ClosedMonth, RollupMark, UsageCorrection, UsageRollup
from billing.months import closes, ends, hour_of, month_of, next_month, starts
from tenants.ids import uuid7_floor
from tenants.isolation.context import acting_tenant

OVERLAP = timedelta(minutes=10)  # longer than any transaction of a writer, and any difference of clocks

_KEPT = (
    " ON CONFLICT (tenant_id, grain, starts_at, meter, connector, customer_id)"
    " DO UPDATE SET quantity = excluded.quantity WHERE billing_usagerollup.quantity <> excluded.quantity"
)
_INTO = (
    "INSERT INTO billing_usagerollup (tenant_id, id, grain, starts_at, customer_id, connector, meter, quantity)"
    " SELECT %(tenant)s, gen_random_uuid(), "
)
_DIRTY = (
    "SELECT DISTINCT date_trunc('hour', occurred_at, 'UTC') FROM billing_usageevent"
    " WHERE tenant_id = %(tenant)s AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s) ORDER BY 1"
)
_USED = {meter.value: each.column for meter, each in METERS.items() if each.column}
_GAUGES = [meter.value for meter in GAUGES]
_SUMS = ", ".join(f"sum({column}) AS {meter}" for meter, column in _USED.items())
_PAIRS = ", ".join(f"('{meter}', {meter})" for meter in _USED)
_HOURS = (
    f"{_INTO} 'hour', hour, customer_id, connector, each.meter, each.quantity FROM ("  # noqa: S608
    f"SELECT date_trunc('hour', occurred_at, 'UTC') AS hour, customer_id, connector, {_SUMS} FROM billing_usageevent"
    " WHERE tenant_id = %(tenant)s AND occurred_at >= %(first)s AND occurred_at < %(until)s"
    " GROUP BY hour, customer_id, connector"
    f") AS sums, LATERAL (VALUES {_PAIRS}) AS each (meter, quantity)"
    f"{_KEPT}"
)
_EVENTS = (
    f"{_INTO} 'hour', date_trunc('hour', occurred_at, 'UTC'), customer_id, '', %(meter)s::text, count(*)"
    " FROM audit_event WHERE tenant_id = %(tenant)s AND kind = %(kind)s AND id >= %(first)s AND id < %(last)s"
    f" GROUP BY 4, customer_id{_KEPT}"
)
_PEAKS = (
    f"{_INTO} 'hour', date_trunc('hour', at, 'UTC'), customer_id, '', meter, max(value) FROM billing_gaugesample"
    f" WHERE tenant_id = %(tenant)s AND at >= %(since)s AND at < %(until)s GROUP BY 4, customer_id, meter{_KEPT}"
)
_DAY = (
    f"{_INTO} 'day', %(day)s, customer_id, connector, meter,"
    " CASE WHEN meter = ANY (%(gauges)s) THEN max(quantity) ELSE sum(quantity) END FROM billing_usagerollup"
    " WHERE tenant_id = %(tenant)s AND grain = 'hour' AND starts_at >= %(day)s AND starts_at < %(until)s"
    f" GROUP BY customer_id, connector, meter{_KEPT}"
)
# What was recorded for a closed month, less what it was closed with and what was corrected since.
_MISSING = (
    "SELECT customer_id, connector, meter, sum(quantity) FROM ("  # noqa: S608
    "SELECT customer_id, connector, each.meter, each.quantity FROM ("
    f"SELECT customer_id, connector, {_SUMS} FROM billing_usageevent WHERE tenant_id = %(tenant)s"
    " AND occurred_at >= %(since)s AND occurred_at < %(until)s GROUP BY customer_id, connector"
    f") AS sums, LATERAL (VALUES {_PAIRS}) AS each (meter, quantity) UNION ALL"
    " SELECT customer_id, connector, meter, -quantity FROM billing_usagerollup WHERE tenant_id = %(tenant)s"
    " AND grain = 'day' AND starts_at >= %(since)s AND starts_at < %(until)s AND meter = ANY (%(used)s) UNION ALL"
    " SELECT customer_id, connector, meter, -quantity FROM billing_usagecorrection"
    " WHERE tenant_id = %(tenant)s AND month = %(month)s AND meter = ANY (%(used)s)"
    ") AS differences GROUP BY customer_id, connector, meter HAVING sum(quantity) <> 0"
)


def roll_up(now: datetime) -> int:
    """Of the acting tenant: everything that was recorded since the last time. How many hours were made anew."""
    with transaction.atomic():
        RollupMark.objects.get_or_create()
        mark = RollupMark.objects.get()
        since = mark.upto and mark.upto - OVERLAP
        hours = [row[0] for row in _rows(_DIRTY, since=since)]
    closed = set(_closed())
    open_hours = [hour for hour in hours if month_of(hour) not in closed]
    for _, hours_of_day in groupby(open_hours, key=datetime.date):
        _make_hours(list(hours_of_day))
    days = {hour.replace(hour=0) for hour in open_hours} | _counted_elsewhere(since or starts(month_of(now)), now)
    with _locked():
        for day in sorted(days):
            if month_of(day) not in closed:
                _run(_DAY, day=day, until=day + timedelta(days=1), gauges=_GAUGES)
    _correct({month_of(hour) for hour in hours} & closed, now)
    with _locked():
        RollupMark.objects.filter(upto=None).update(upto=now)
        RollupMark.objects.filter(upto__lt=now).update(upto=now)
    return len(hours)


def _make_hours(hours: Sequence[datetime]) -> None:
    """Of one day, with what lies between: read once, however many of its hours are made anew."""
    with _locked():
        _run(_HOURS, first=hours[0], until=hours[-1] + timedelta(hours=1))


def _counted_elsewhere(since: datetime, now: datetime) -> set[datetime]:
    """What the audit log and the samples tell, from the hour of the last run on; the days that they are about."""
    first = hour_of(since)
    with _locked():
        for meter, each in METERS.items():
            if each.event:
                _run(
                    _EVENTS, meter=meter.value, kind=each.event.value, first=uuid7_floor(first),
                    last=uuid7_floor(now + timedelta(days=1)),
                )  # fmt: skip
        _run(_PEAKS, since=first, until=now + timedelta(days=1))
    day = first.replace(hour=0)
    return {day + timedelta(days=number) for number in range((now - day).days + 1)}


@contextmanager
def _locked() -> Iterator[None]:
    """A transaction in which no other rollup of the tenant writes, so that the newer reading stands."""
    with transaction.atomic():
        list(RollupMark.objects.select_for_update())
        yield


def _run(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant": acting_tenant(), **values})


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant": acting_tenant(), **values})
        return list(cursor.fetchall())


def _closed() -> list[date]:
    with transaction.atomic():
        return list(ClosedMonth.objects.values_list("month", flat=True))


def _correct(months: Iterable[date], now: datetime) -> None:
    """What is billed in the month of now, because its own was closed."""
    for month in sorted(months):
        with _locked():
            span = {"since": starts(month), "until": ends(month), "month": month, "used": list(_USED)}
            for customer, connector, meter, quantity in _rows(_MISSING, **span):
                UsageCorrection.objects.create(
                    customer_id=customer, connector=connector, meter=meter, month=month, booked_in=month_of(now),
                    quantity=quantity, created_at=now,
                )  # fmt: skip


def close_months(now: datetime) -> list[date]:
    """Of the acting tenant: each month that is past the time for what is late. After a rollup, so that it is whole."""
    with transaction.atomic():
        first = UsageRollup.objects.order_by("starts_at").values_list("starts_at", flat=True).first()
        known = set(ClosedMonth.objects.values_list("month", flat=True))
        month, closed = month_of(first) if first else month_of(now), []
        while closes(month) <= now:
            if month not in known:
                ClosedMonth.objects.get_or_create(month=month, defaults={"closed_at": now})
                closed.append(month)
            month = next_month(month)
    return closed
