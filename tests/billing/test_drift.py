"""Counted less billed, by hand; and what is not known is never called a difference."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.drift import STALE, DriftState, drift_of
from billing.exports import Export, What, rows
from billing.months import month_of, starts
from billing.pricing import overview
from tenants.ids import uuid7
from tenants.models import BilledQuantity, Customer
from tests.billing.factories import manage
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant

NOW = datetime.now(UTC)
MONTH = month_of(NOW)


def row(quantity: str | None, code: str = "") -> BilledQuantity:
    return BilledQuantity(
        tenant_id=uuid7(), quantity=None if quantity is None else Decimal(quantity), code=code, read_at=NOW
    )


@pytest.mark.parametrize(
    ("active", "read", "state", "billed", "signed"),
    [
        (12, [row("12.00")], DriftState.AGREES, "12.00", "+0"),
        (12, [row("10.00")], DriftState.LESS, "10.00", "+2"),
        (12, [row("12.50")], DriftState.MORE, "12.50", "-0.5"),
        (0, [row("3")], DriftState.MORE, "3", "-3"),
        (0, [row("0")], DriftState.AGREES, "0", "+0"),
        (20, [row(None)], DriftState.ABSENT, "0", "+20"),
        (20, [row("15"), row("5"), row(None)], DriftState.AGREES, "20", "+0"),
        (20, [row("15"), row(None, "vendor_shape")], DriftState.UNKNOWN, None, ""),
        (20, [], DriftState.UNKNOWN, None, ""),
    ],
)
def test_drift_is_what_is_counted_less_what_is_billed(
    active: int, read: list[BilledQuantity], state: DriftState, billed: str | None, signed: str
) -> None:
    found = drift_of(active, read)

    assert (found.state, found.billed, found.signed) == (state, None if billed is None else Decimal(billed), signed)


@pytest.fixture
def acme() -> TenantWorld:
    world = make_tenant(customers=3)
    with world.acting():
        Customer.objects.update(created_at=NOW - timedelta(days=99))
    manage(world, world.customers[0], active=9, inactive=4)
    with as_role("broker"), world.acting():
        for customer, age in zip(world.customers, (timedelta(), STALE), strict=False):
            BilledQuantity.objects.create(
                source=uuid7(), customer=customer, owner="1", product="DEVICE", quantity=Decimal("7.00"),
                read_at=NOW - age,
            )  # fmt: skip
    return world


def test_the_overview_and_the_file_say_it_of_each_customer(acme: TenantWorld) -> None:
    with acme.acting():
        told = overview(MONTH, NOW)
        file = [line[-3:] for line in rows(Export(What.INVOICE, MONTH, NOW))]

    assert told.is_compared
    assert [line.psa.state for line in told.lines] == [DriftState.LESS, DriftState.UNKNOWN, DriftState.UNKNOWN]
    assert file == [[Decimal("7.00"), Decimal("2.00"), "billed_less"], [None, None, "unknown"], [None, None, "unknown"]]


def test_a_month_that_is_over_is_compared_with_nothing(acme: TenantWorld) -> None:
    with acme.acting():
        assert not overview(month_of(starts(MONTH) - timedelta(hours=1)), NOW).is_compared
