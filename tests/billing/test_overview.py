"""The rule of the overview, exactly: worked out by hand, and by the sources' own statement in SQL."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from billing.gauges import sample_gauges
from billing.meters import Meter
from billing.months import month_of, starts
from billing.plans import set_prices
from billing.pricing import Overview, overview
from tenants.isolation.context import Context, acting_for
from tenants.models import Asset, Customer
from tests.billing.factories import BEN, manage
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
LONG_AGO = NOW - timedelta(days=400)
# active, inactive -> billable, amount
GOLDEN = {(0, 0): (0, "0.00"), (3, 9): (0, "0.00"), (5, 0): (0, "0.00"), (6, 1): (1, "3.00"), (25, 0): (20, "60.00")}


@pytest.fixture
def acme() -> TenantWorld:
    world = make_tenant(customers=len(GOLDEN))
    with world.acting():
        Customer.objects.update(created_at=LONG_AGO)
    for customer, (active, inactive) in zip(world.customers, GOLDEN, strict=True):
        manage(world, customer, active, inactive)
    return world


def told(world: TenantWorld, now: datetime = NOW) -> Overview:
    with world.acting():
        return overview(month_of(now), now)


def test_each_customer_is_billed_by_the_rule_and_the_dearest_is_first(acme):
    found = told(acme)

    assert [(line.active_assets, line.billable_assets, str(line.amount)) for line in found.lines] == [
        (25, 20, "60.00"), (6, 1, "3.00"), (0, 0, "0.00"), (3, 0, "0.00"), (5, 0, "0.00"),
    ]  # fmt: skip
    assert (found.total, found.billable_assets) == (Decimal("63.00"), 21)


def test_the_free_ones_are_of_each_customer_and_not_of_the_msp(acme):
    """39 active assets in all would be 34 billable ones."""
    assert told(acme).billable_assets == 21


def test_customers_that_were_added_this_month_are_not_in_it_yet(acme):
    with acme.acting():
        Customer.objects.filter(id=acme.customers[4].pk).update(
            created_at=datetime(MONTH.year, MONTH.month, 1, tzinfo=UTC)
        )
    assert acme.customers[4].pk not in {line.customer_id for line in told(acme).lines}

    with acme.acting():
        Customer.objects.filter(id=acme.customers[4].pk).update(created_at=starts(MONTH) - timedelta(microseconds=1))
    assert told(acme).lines[0].customer_id == acme.customers[4].pk


SOURCES = """
WITH per_tenant AS (
    SELECT t.id, t.name, COUNT(*) FILTER (WHERE a.active = true) AS active_agents,
           COUNT(*) FILTER (WHERE a.active = true) - 5 AS billable
    FROM tenants_customer t JOIN tenants_asset a ON a.customer_id = t.id
    WHERE t.tenant_id = %s AND t.created_at < date_trunc('month', NOW()) GROUP BY t.tenant_id, t.id, t.name
)
SELECT name, active_agents, GREATEST(billable, 0) AS billable_agents, GREATEST(billable, 0) * 3.0 AS monthly_eur
FROM per_tenant ORDER BY monthly_eur DESC, name
"""


def test_it_is_what_the_sources_statement_says_beside_customers_without_assets(acme):
    with acme.acting(), connection.cursor() as cursor:
        cursor.execute(SOURCES, [acme.id])
        theirs = [tuple(row) for row in cursor.fetchall()]
    ours = [
        (line.name, line.active_assets, line.billable_assets, line.amount)
        for line in told(acme).lines
        if line.active_assets or line.name != acme.customers[0].name
    ]

    assert ours == theirs


def test_another_price_list_holds_from_its_change_on(acme):
    with acme.acting():
        set_prices(free_assets=0, asset_price=Decimal("1.25"), currency="USD", by=BEN)
    now = datetime.now(UTC)

    assert told(acme, now).total == Decimal("48.75")
    assert told(acme, now).prices.currency == "USD"


def test_a_month_that_is_over_stays_as_it_was_last_seen(acme):
    then = starts(MONTH) - timedelta(hours=1)
    with as_role("worker"), acting_for(Context(acme.id)):
        sample_gauges(then - timedelta(days=3), of_others={Meter.CONNECTOR_INSTANCES: 0})
    with acme.acting():
        Asset.objects.filter(customer=acme.customers[4]).update(active=False)
    with as_role("worker"), acting_for(Context(acme.id)):
        sample_gauges(then, of_others={Meter.CONNECTOR_INSTANCES: 0})
    manage(acme, acme.customers[0], active=100)

    with acme.acting():
        found = overview(month_of(then), NOW)
    assert (found.total, found.counted_at) == (Decimal("3.00"), then)
