"""Plans and the subscription. Each change is a new row and an event, so that every state of before can be told.

What others need of it is written into `tenants` as plain data, with the version of the change that wrote it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from billing.models import PlanVersion, PriceList, SubscriptionPeriod
from billing.services import write_entitlement
from billing.terms import USUAL, ConnectorTerms, PlanTerms
from tenants.errors import Conflict, Invalid
from tenants.models import Entitlement, Subscription

Status = Subscription.Status
# A trial is had once; everything else can follow everything else.
_BEFORE_TRIAL = (None, Status.TRIALING.value)


@transaction.atomic
def publish_plan(
    plan: str, connectors: Mapping[str, ConnectorTerms], *, terms: PlanTerms = USUAL, by: Actor
) -> PlanVersion:
    """The next version of the plan's terms. Whoever has an older one keeps it until their subscription changes."""
    if not plan or not connectors:
        raise Invalid("A plan has a name and the terms of one connector at least.", field="plan")
    terms.check()
    Subscription.objects.select_for_update().first()
    newest = PlanVersion.objects.filter(plan=plan).aggregate(Max("number"))["number__max"] or 0
    made = PlanVersion.objects.create(
        plan=plan, number=newest + 1, connectors={key: each.as_json() for key, each in connectors.items()},
        created_by=by.label[:200], **asdict(terms),
    )  # fmt: skip
    told = asdict(terms) | {"asset_price": str(terms.asset_price), "connectors": made.connectors}
    told |= {"number": made.number, "plan": plan}
    record(EventKind.PLAN_PUBLISHED, actor=by, subject=("plan", made.pk, str(made)), body=told)
    return made


@transaction.atomic
def change_subscription(
    plan_version: PlanVersion, status: Subscription.Status, *, reason: str = "", by: Actor
) -> SubscriptionPeriod:
    """From now on. Closes what held until now, writes what holds into `tenants`, and is an event."""
    now = timezone.now()
    held = Subscription.objects.select_for_update().get()  # one change after the other
    before = SubscriptionPeriod.objects.filter(valid_to=None).first()
    if before and (before.plan_version_id, before.status) == (plan_version.pk, status.value):
        raise Conflict("The subscription is like this already.", code="unchanged")
    if status is Status.TRIALING and (before.status if before else None) not in _BEFORE_TRIAL:
        raise Conflict("A trial is had once, at the beginning.", code="no_second_trial")
    if before:
        SubscriptionPeriod.objects.filter(id=before.pk).update(valid_to=now)
    made = SubscriptionPeriod.objects.create(
        plan_version=plan_version, status=status.value, version=held.version + 1, valid_from=now,
        changed_by=by.label[:200], reason=reason[:300],
    )  # fmt: skip
    _write_snapshot(plan_version, made, now, by)
    told = {"before": before and before.status, "number": plan_version.number, "plan": plan_version.plan}
    told |= {"reason": reason[:300], "status": status.value, "version": made.version}
    record(EventKind.SUBSCRIPTION_CHANGED, actor=by, subject=("subscription", made.pk, str(plan_version)), body=told)
    return made


def _write_snapshot(plan: PlanVersion, period: SubscriptionPeriod, now: datetime, by: Actor) -> None:
    Subscription.objects.update(
        plan=plan.plan, status=period.status, version=period.version, seats=plan.seats,
        retention_days=plan.retention_days, isolation=plan.isolation, weight=plan.weight,
    )  # fmt: skip
    for connector, told in plan.connectors.items():
        terms = ConnectorTerms.from_json(told)
        write_entitlement(
            connector, included_calls=terms.included_calls, calls_per_minute=terms.calls_per_minute,
            overage_allowed=terms.overage_allowed, by=by,
        )  # fmt: skip
    for gone in Entitlement.objects.exclude(connector__in=plan.connectors).exclude(valid_until__lte=now):
        Entitlement.objects.filter(id=gone.pk).update(valid_until=now)
        told = {"valid_until": now.isoformat()}
        record(EventKind.ENTITLEMENT_SET, actor=by, subject=("entitlement", gone.pk, gone.connector), body=told)


@transaction.atomic
def set_prices(*, free_assets: int, asset_price: Decimal, currency: str = "EUR", by: Actor) -> PriceList:
    """What the tenant estimates its customers' assets at, from now on. Months of before keep theirs."""
    now = timezone.now()
    Subscription.objects.select_for_update().first()  # one change after the other
    PriceList.objects.filter(valid_to=None).update(valid_to=now)
    made = PriceList.objects.create(
        free_assets=free_assets, asset_price=asset_price, currency=currency, valid_from=now, changed_by=by.label[:200]
    )
    told = {"asset_price": str(asset_price), "currency": currency, "free_assets": free_assets}
    record(EventKind.PRICES_CHANGED, actor=by, subject=("price_list", made.pk, str(made)), body=told)
    return made
