"""Usage of a month as the portal shows it: a bar for each day, shares, and where it is going."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.http import QueryDict

from billing.meters import METERS, Meter
from billing.models import RollupMark
from billing.months import ends, month_before, month_of, next_month, parsed, starts
from billing.pricing import Overage, overage_of
from billing.selectors import Key, by_meter, corrections, days_of, is_closed, totals
from tenants.errors import Invalid
from tenants.models import Customer

STEP, WIDTH, HEIGHT = 10, 8, 60
LEAST = 3  # what was counted is seen, however little it is beside the others
MOST_MONTHS = 24  # back, that can be chosen


@dataclass(frozen=True, slots=True)
class DayBar:
    """In units of the drawing, from its upper left corner."""

    x: int
    y: int
    height: int
    day: date
    calls: int
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class Share:
    label: str
    number: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Of the whole month: the sum of a counter, the peak of a gauge."""

    meter: str
    label: str
    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class OfCustomer:
    customer: Customer
    calls: int
    vendor_requests: int
    active_assets: int


@dataclass(frozen=True, slots=True)
class Usage:
    """`forecast`: calls at the end of the month, if it goes on like this; None before there is a day to go by."""

    month: date
    closed: bool
    as_of: datetime | None
    bars: list[DayBar]
    meters: list[Counted]
    by_connector: list[Share]
    by_customer: list[OfCustomer]
    calls: int
    corrections: int
    forecast: int | None
    overages: list[Overage]

    @property
    def width(self) -> int:
        return (next_month(self.month) - self.month).days * STEP

    @property
    def most(self) -> int:
        return max((share.number for share in self.by_connector), default=0)

    @property
    def busiest(self) -> int:
        return max((bar.calls for bar in self.bars), default=0)


def month_in(query: QueryDict, now: datetime) -> date:
    """That of the query, or of now. Invalid for another than the last two years'."""
    return month_from(query.get("month", ""), now)


def month_from(text: str, now: datetime) -> date:
    month = parsed(text) if text else month_of(now)
    if month is None or not _first(now) <= month <= month_of(now):
        raise Invalid("Say a month of the last two years, such as 2026-04.", field="month")
    return month


def months(now: datetime) -> list[date]:
    """Newest first."""
    found = [month_of(now)]
    while found[-1] > _first(now):
        found.append(month_before(found[-1]))
    return found


def _first(now: datetime) -> date:
    return month_of(now - timedelta(days=30 * MOST_MONTHS))


def usage_of(month: date, now: datetime, *, with_plan: bool) -> Usage:
    """Of the customers in scope. `with_plan`: for who may see what the tenant pays."""
    found, corrected, days = totals(month), corrections(month), _calls_by_day(month)
    calls = sum(days.values())
    mark = RollupMark.objects.values_list("upto", flat=True).first()
    return Usage(
        month, is_closed(month), mark, list(_bars(month, days)), _meters(found), _by_connector(found),
        _by_customer(found), calls, by_meter(corrected).get(Meter.TOOL_CALLS, 0),
        _forecast(month, calls, mark or now), overage_of([found, corrected], month, now) if with_plan else [],
    )  # fmt: skip


def _calls_by_day(month: date) -> Mapping[date, int]:
    found: dict[date, int] = {}
    for at, quantity in days_of(month).filter(meter=Meter.TOOL_CALLS.value).values_list("starts_at", "quantity"):
        found[at.date()] = found.get(at.date(), 0) + quantity
    return found


def _bars(month: date, days: Mapping[date, int]) -> Iterable[DayBar]:
    most = max(days.values(), default=0)
    for day, calls in sorted(days.items()):
        if calls:
            height = max(round(calls / most * HEIGHT), LEAST)
            yield DayBar((day - month).days * STEP, HEIGHT - height, height, day, calls)


def _meters(of_month: Mapping[Key, int]) -> list[Counted]:
    """In the order of their table. Gauges of the tenant are seen by those who see every customer."""
    found = by_meter(dict(of_month))
    return [
        Counted(meter.value, each.label, each.kind.value, found[meter])
        for meter, each in METERS.items()
        if meter in found
    ]


def _by_connector(found: Mapping[Key, int]) -> list[Share]:
    numbers: dict[str, int] = {}
    for (_, meter, connector), quantity in found.items():
        if meter == Meter.TOOL_CALLS:
            numbers[connector] = numbers.get(connector, 0) + quantity
    return sorted((Share(*each) for each in numbers.items()), key=lambda share: (-share.number, share.label))


def _by_customer(found: Mapping[Key, int]) -> list[OfCustomer]:
    numbers: dict[tuple[UUID, str], int] = {}
    for (customer, meter, _), quantity in found.items():
        if customer:
            numbers[customer, meter] = numbers.get((customer, meter), 0) + quantity
    lines = [
        OfCustomer(
            each, *(numbers.get((each.pk, meter), 0) for meter in ("tool_calls", "vendor_requests", "active_assets"))
        )
        for each in Customer.objects.filter(id__in={customer for customer, _ in numbers})
    ]
    return sorted(lines, key=lambda line: (-line.calls, line.customer.name, line.customer.key))


def _forecast(month: date, calls: int, until: datetime) -> int | None:
    """As many a day as until now, to the end. Nothing for a month that is over."""
    gone = until - starts(month)
    if until >= ends(month) or gone < timedelta(days=1):
        return None
    return round(calls * ((ends(month) - starts(month)) / gone))
