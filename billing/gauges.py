"""Gauges: how many there are, looked at on schedule and kept, so that a restart forgets no peak."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Count

from billing.meters import GAUGES, Meter
from billing.models import GaugeSample
from identity.models import Principal
from identity.principals import PrincipalKind
from tenants.models import Asset, Customer


def sample_gauges(now: datetime, *, of_others: Mapping[Meter, int]) -> None:
    """Of the acting tenant. `of_others`: what apps beside this one count; billing does not know them."""
    with transaction.atomic():
        assets = Asset.objects.filter(active=True).values_list("customer_id").annotate(Count("id")).order_by()
        of_customers = dict(assets)
        totals = {
            Meter.ACTIVE_ASSETS: sum(of_customers.values()),
            Meter.SEATS: Principal.objects.filter(kind=PrincipalKind.USER.value, disabled_at=None).count(),
            Meter.CUSTOMERS: Customer.objects.filter(status=Customer.Status.ACTIVE).count(),
            **of_others,
        }
        samples = [GaugeSample(meter=meter.value, at=now, value=totals[meter]) for meter in GAUGES]
        samples += [
            GaugeSample(customer_id=customer, meter=Meter.ACTIVE_ASSETS.value, at=now, value=number)
            for customer, number in of_customers.items()
        ]
        GaugeSample.objects.bulk_create(samples)
