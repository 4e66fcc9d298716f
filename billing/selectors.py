from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Max, QuerySet, Sum

from billing.meters import METERS, Kind, Meter
from billing.models import (
    ClosedMonth,
    CustomerCounter,
    PlanVersion,
    PriceList,
    QuotaCounter,
    SubscriptionPeriod,
    UsageCorrection,
    UsageRollup,
)
from billing.months import ends, starts, this_month
from billing.terms import USUAL
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed
from tenants.models import Asset

_USED = "SELECT connector, used FROM billing_quotacounter WHERE tenant_id = %s AND month = %s"
Key = tuple[UUID | None, str, str]  # customer, meter, connector


def ask_calls_used(db: Signed) -> Any:
    """Calls reserved this month, by connector; read with `calls_used_of`."""
    return db.ask(_USED, acting_tenant(), this_month())


def calls_used(connector: str) -> int:
    """Calls of the connector that were reserved this month."""
    found = QuotaCounter.objects.filter(connector=connector, month=this_month()).values_list("used", flat=True)
    return found.first() or 0


def calls_of_customer(customer_id: UUID) -> int:
    """Calls for the customer that were reserved this month, of all connectors."""
    found = CustomerCounter.objects.filter(customer_id=customer_id, month=this_month()).values_list("used", flat=True)
    return found.first() or 0


def calls_used_of(cursor: Any) -> dict[str, int]:
    return dict(cursor.fetchall())


def days_of(month: date) -> QuerySet[UsageRollup]:
    return UsageRollup.objects.filter(
        grain=UsageRollup.Grain.DAY, starts_at__gte=starts(month), starts_at__lt=ends(month)
    )


def totals(month: date) -> dict[Key, int]:
    """Of the month: counters summed, gauges at their peak; without a customer: of the whole tenant."""
    by = ("customer_id", "meter", "connector")
    rows: Any = days_of(month).values_list(*by).annotate(total=Sum("quantity"), peak=Max("quantity")).order_by(*by)
    return {
        (customer, meter, connector): total if METERS[Meter(meter)].kind is Kind.COUNTER else peak
        for customer, meter, connector, total, peak in rows
    }


def corrections(booked_in: date) -> dict[Key, int]:
    """What was found for closed months and is billed in this one."""
    by = ("customer_id", "meter", "connector")
    booked = UsageCorrection.objects.filter(booked_in=booked_in)
    rows: Any = booked.values_list(*by).annotate(total=Sum("quantity")).order_by(*by)
    return {(customer, meter, connector): total for customer, meter, connector, total in rows}


def by_meter(found: dict[Key, int]) -> dict[Meter, int]:
    """Of the whole tenant. A peak of the tenant is not the sum of its customers' peaks: it was sampled itself."""
    summed: dict[Meter, int] = {}
    for (customer, meter, _), quantity in found.items():
        each = Meter(meter)
        if METERS[each].kind is Kind.COUNTER or customer is None:
            summed[each] = summed.get(each, 0) + quantity
    return summed


def totals_by_meter(month: date) -> dict[Meter, int]:
    return by_meter(totals(month))


def corrections_by_meter(booked_in: date) -> dict[Meter, int]:
    return by_meter(corrections(booked_in))


def is_closed(month: date) -> bool:
    return ClosedMonth.objects.filter(month=month).exists()


def subscription_periods() -> QuerySet[SubscriptionPeriod]:
    return SubscriptionPeriod.objects.select_related("plan_version").order_by("-version")


def subscription_at(moment: Any) -> SubscriptionPeriod | None:
    """What held then, with the terms of then."""
    return subscription_periods().filter(valid_from__lte=moment).first()


def assets() -> QuerySet[Asset]:
    """By customer and name; those that are active first."""
    return Asset.objects.select_related("customer").order_by("customer__name", "-active", "name", "id")


def plan_versions() -> QuerySet[PlanVersion]:
    return PlanVersion.objects.order_by("plan", "-number")


def price_list_at(moment: Any) -> PriceList:
    """What held then; before the tenant had one of its own: what the plan says, or else the default."""
    found = PriceList.objects.filter(valid_from__lte=moment).order_by("-valid_from").first()
    if found:
        return found
    held = subscription_at(moment)
    terms = held.plan_version if held else USUAL
    return PriceList(
        free_assets=terms.free_assets, asset_price=terms.asset_price, currency=terms.currency, valid_from=moment,
        changed_by="",
    )  # fmt: skip
