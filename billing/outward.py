"""Totals of the tenant's months to where the provider reads them: numbers of meters, and nothing of what is in them."""

from datetime import date, datetime, timedelta

from django.db import connection, transaction

from billing.meters import METERS, Meter
from billing.models import ClosedMonth
from billing.months import month_of, next_month
from billing.selectors import corrections_by_meter, totals_by_meter

REACH = timedelta(days=100)  # as far back as a month can still have changed, and one more


def report_outward(now: datetime) -> None:
    """Of the acting tenant."""
    month = month_of(now - REACH)
    with transaction.atomic():
        closed = set(ClosedMonth.objects.values_list("month", flat=True))
        while month <= month_of(now):
            totals, corrected = totals_by_meter(month), corrections_by_meter(month)
            for meter in METERS if totals or corrected else ():
                _report(month, meter, totals.get(meter, 0), corrected.get(meter, 0), closed=month in closed)
            month = next_month(month)


def _report(month: date, meter: Meter, total: int, corrected: int, *, closed: bool) -> None:
    each = METERS[meter]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT border.report_usage(%s::date, %s, %s, %s, %s::bigint, %s::bigint, %s)",
            [month, meter.value, each.kind.value, each.unit, total, corrected, closed],
        )
