"""Usage as calls leave it, at any moment."""

from datetime import datetime
from typing import Any

from audit.actors import Actor, ActorKind
from billing.models import UsageEvent
from tenants.ids import uuid7
from tenants.models import Asset, Customer
from tests.conftest import as_role
from tests.factories import TenantWorld

BEN = Actor(ActorKind.USER, None, "Ben Billings")


def use(
    world: TenantWorld, at: datetime, *, customer: Customer | None = None, calls: int = 1, **given: Any
) -> list[UsageEvent]:
    """So many calls at that moment, recorded then unless said otherwise."""
    values = {
        "customer": customer or world.customers[0], "occurred_at": at, "recorded_at": at, "connector": "halopsa",
        "tool": "list_tickets", "principal_id": uuid7(), "vendor_requests": 2,
    } | given  # fmt: skip
    with as_role("broker"), world.acting():
        return UsageEvent.objects.bulk_create([UsageEvent(id=uuid7(), **values) for _ in range(calls)])


def manage(world: TenantWorld, customer: Customer, active: int, inactive: int = 0) -> None:
    """So many assets of the customer."""
    with world.acting():
        Asset.objects.bulk_create(
            [
                Asset(customer=customer, name=f"host {number}", active=number < active)
                for number in range(active + inactive)
            ]
        )
