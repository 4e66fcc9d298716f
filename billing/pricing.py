"""What the tenant can charge its own customers, as an estimate: assets beyond the free ones, and calls over the plan.

The rule, for each customer: active assets only, the first so many free (per customer, not per tenant), never below
nothing, each further one at the price. Customers that were added in the month are not in it; one without assets is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count

from billing.drift import UNKNOWN, Drift, DriftState, drifts
from billing.meters import Meter
from billing.models import GaugeSample, PriceList
from billing.months import ends, month_of, starts
from billing.selectors import Key, corrections, price_list_at, subscription_at, totals
from billing.terms import CENT, ConnectorTerms
from tenants.models import Asset, Customer


@dataclass(frozen=True, slots=True)
class Line:
    """Of one customer."""

    customer_id: UUID
    key: str
    name: str
    active_assets: int
    billable_assets: int
    amount: Decimal
    psa: Drift = UNKNOWN


@dataclass(frozen=True, slots=True)
class Overview:
    """Of a month: one line for each customer, the dearest first. `counted_at`: None when assets were never sampled."""

    month: date
    prices: PriceList
    lines: list[Line]
    counted_at: datetime | None

    @property
    def is_compared(self) -> bool:
        """With what a PSA bills."""
        return any(line.psa.state is not DriftState.UNKNOWN for line in self.lines)

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal("0.00"))

    @property
    def billable_assets(self) -> int:
        return sum(line.billable_assets for line in self.lines)

    @property
    def active_assets(self) -> int:
        return sum(line.active_assets for line in self.lines)


def overview(month: date, now: datetime) -> Overview:
    """Of the month of now: what is active now. Of one before: what was, when it was last looked at in that month."""
    prices = price_list_at(min(now, ends(month)))
    counted_at, assets = _counted(month, now)
    customers = Customer.objects.filter(created_at__lt=starts(month))
    compared = drifts(assets, now) if month == month_of(now) else {}
    lines = [_line(each, assets.get(each.pk, 0), prices, compared.get(each.pk, UNKNOWN)) for each in customers]
    return Overview(month, prices, sorted(lines, key=lambda line: (-line.amount, line.name, line.key)), counted_at)


def _line(customer: Customer, active: int, prices: PriceList, psa: Drift) -> Line:
    billable = max(active - prices.free_assets, 0)
    amount = (billable * Decimal(prices.asset_price)).quantize(CENT)
    return Line(customer.pk, customer.key, customer.name, active, billable, amount, psa)


def _counted(month: date, now: datetime) -> tuple[datetime | None, dict[UUID, int]]:
    if month == month_of(now):
        active = Asset.objects.filter(active=True).values_list("customer_id").annotate(Count("id")).order_by()
        return now, dict(active)
    samples = GaugeSample.objects.filter(
        meter=Meter.ACTIVE_ASSETS.value, at__gte=starts(month), at__lt=ends(month)
    ).order_by("-at")
    last = samples.values_list("at", flat=True).first()
    counted = samples.filter(at=last, customer__isnull=False).values_list("customer_id", "value") if last else ()
    return last, {customer: value for customer, value in counted if customer}


@dataclass(frozen=True, slots=True)
class Overage:
    """Calls of a month over what the plan includes for a connector. `charge` is None where the plan refuses them."""

    connector: str
    included: int
    used: int
    over: int
    charge: Decimal | None
    currency: str

    @property
    def percent(self) -> int:
        return min(round(self.used / self.included * 100), 100) if self.included else 100 if self.used else 0


def overage(month: date, now: datetime) -> list[Overage]:
    """By the terms that held at the end of the month, or hold now. Nothing without a plan."""
    return overage_of([totals(month), corrections(month)], month, now)


def overage_of(usage: Iterable[dict[Key, int]], month: date, now: datetime) -> list[Overage]:
    """Of usage that was read already: of the month, and of what is billed in it."""
    period = subscription_at(min(now, ends(month)))
    if period is None:
        return []
    used: dict[str, int] = {}
    for found in usage:
        for (_, meter, connector), quantity in found.items():
            if meter == Meter.TOOL_CALLS:
                used[connector] = used.get(connector, 0) + quantity
    plan = period.plan_version
    terms = {key: ConnectorTerms.from_json(told) for key, told in plan.connectors.items()}
    return [_overage(key, each, used.get(key, 0), plan.currency) for key, each in sorted(terms.items())]


def _overage(connector: str, terms: ConnectorTerms, used: int, currency: str) -> Overage:
    charge = terms.charge(used) if terms.overage_allowed else None
    return Overage(connector, terms.included_calls, used, terms.over(used), charge, currency)
