"""Pictures of billing's pages, with a month of usage and with nothing (tests/portal/test_pictures.py)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from billing.gauges import sample_gauges
from billing.meters import Meter
from billing.models import CustomerCounter, ExportFile, ExportPiece, PlanVersion
from billing.months import this_month
from billing.plans import change_subscription, publish_plan
from billing.rollups import roll_up
from billing.terms import ConnectorTerms, PlanTerms
from tenants.isolation.context import Context, acting_for
from tenants.models import BilledQuantity, Customer, Subscription
from tests.billing.factories import manage, use
from tests.conftest import as_role
from tests.factories import TenantWorld
from tests.identity.factories import SETUP, Person
from tests.portal import test_pictures
from tests.portal.factories import Furnished
from tests.portal.test_pictures import LOOKS, _dress, _picture
from tests.tenants.furnishing import as_administrator

northwind, tailspin, pytestmark = test_pictures.northwind, test_pictures.tailspin, test_pictures.pytestmark


def _files(world: TenantWorld, now: datetime) -> None:
    """One of each state; somebody has a long name."""
    long = "maximiliane.von-hohenstein-schaumburg@billing-department.northwind-managed-services.example"
    states: dict[str, dict[str, Any]] = {
        "queued": {"format": "csv"},
        "making": {"format": "json", "done": 1_280_000, "total": 3_104_822, "pieces": 256, "ordered_by": long},
        "ready": {
            "done": 3_104_822, "total": 3_104_822, "size": 912_744_101, "sha256": "8c1f" * 16, "ready_at": now,
            "ordered_by": "ben@northwind.example",
        },
        "failed": {"done": 10_000, "total": 64_210, "problem": "OperationalError: see the worker's log."},
    }  # fmt: skip
    with as_administrator(), world.acting():
        ExportPiece.objects.all().delete()
        ExportFile.objects.all().delete()
        for state, given in states.items():
            common = {"what": "calls", "month": this_month(), "format": "csv", "ordered_by": "ben@northwind.example"}
            ExportFile.objects.create(state=state, **common | given)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_a_month_of_usage(page: Page, northwind: Furnished, as_person, look: str) -> None:
    world, now = northwind.world, timezone.now()
    with world.acting():
        Customer.objects.update(created_at=now - timedelta(days=90))
        for number, customer in enumerate(world.customers[:2]):
            Customer.objects.filter(id=customer.pk).update(monthly_calls=500 + 1000 * number)
            counted = {"used": 694 - 200 * number}
            CustomerCounter.objects.update_or_create(customer=customer, month=this_month(), defaults=counted)
        if not PlanVersion.objects.exists():
            terms = {"halopsa": ConnectorTerms(900, overage_allowed=True, overage_price=Decimal("0.02"))}
            plan = publish_plan("team", terms, terms=PlanTerms(seats=12), by=SETUP)
            change_subscription(plan, Subscription.Status.ACTIVE, by=SETUP)
            for number, customer in enumerate(world.customers):
                manage(world, customer, active=4 + 9 * number)
                for day in range(now.day):
                    at = now - timedelta(days=day)
                    use(world, at, customer=customer, calls=7 + 5 * (day % 6) + 3 * number, recorded_at=now)
    with as_role("broker"), world.acting():
        for customer, quantity in zip(world.customers, ("4", "11.5"), strict=False):
            BilledQuantity.objects.update_or_create(
                source=world.id, customer=customer, owner="1", product="DEVICE",
                defaults={"quantity": Decimal(quantity), "read_at": now},
            )  # fmt: skip
    with as_role("worker"), acting_for(Context(world.id)):
        sample_gauges(now, of_others={Meter.CONNECTOR_INSTANCES: 2})
        roll_up(now)
    _files(world, now)
    as_person(northwind.owner)
    _dress(page, look)
    for name in (
        "billing_files",
        "usage",
        "billing_overview",
        "billing_plan",
        "billing_exports",
        "billing_prices",
        "billing_limits",
        "billing_assets",
    ):
        page.goto(reverse(f"portal:{name}"))
        _picture(page, f"full-{name}", look)
    page.goto(reverse("portal:billing_limit", args=[world.customers[0].pk]))
    _picture(page, "full-billing_limit", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_no_usage(page: Page, tailspin: Person, as_person, look: str) -> None:
    as_person(tailspin)
    _dress(page, look)
    for name in ("usage", "billing_overview", "billing_plan", "billing_exports", "billing_assets", "billing_files"):
        page.goto(reverse(f"portal:{name}"))
        _picture(page, f"empty-{name}", look)
