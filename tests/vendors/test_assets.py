"""What a vendor manages becomes the customer's assets, each under its own, and stops counting when it is gone."""

from datetime import UTC, datetime

import pytest

from billing.months import this_month
from billing.pricing import overview
from connectors.services import unmap_customer
from connectors.signals import EVERY, pull_signals
from connectors.stub.world import CLIENTS, marker
from tenants.isolation.context import Context, acting_for
from tenants.models import Asset, Customer
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors import ninjaone
from tests.vendors.case import connected_to

pytestmark = pytest.mark.usefixtures("broker")
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def source() -> str:
    return "ninjaone"


@pytest.fixture
def world(stub: StubVendor) -> ConnectedWorld:
    with as_role("app"):
        return connected_to(ninjaone.CASE, stub)


@pytest.fixture
def case() -> object:
    return ninjaone.CASE


def pull(world: ConnectedWorld, turn: int = 0) -> None:
    with as_role("broker"), acting_for(Context(world.tenant.id)):
        pull_signals(world.instance.id, NOW + EVERY * 2 * turn)


def assets(world: ConnectedWorld, **narrowed: object) -> list[Asset]:
    with as_role("app"), world.tenant.acting():
        return list(Asset.objects.filter(**narrowed).order_by("external_ref"))


@pytest.mark.parametrize("mode", ["honest", "mix", "ignore_filter"])
def test_every_device_is_an_asset_of_its_own_customer_and_counts_in_the_estimate(
    world: ConnectedWorld, stub: StubVendor, mode: str
) -> None:
    stub.behave(mode)
    pull(world)
    first = assets(world)
    pull(world, 1)

    clients = dict(zip([each.id for each in world.tenant.customers], (11, 12, 13), strict=True))
    assert {each.customer_id for each in first} == set(clients)
    for each in first:
        assert marker(clients[each.customer_id]) in each.name
        assert not any(marker(client) in each.name for client in CLIENTS if client != clients[each.customer_id])
    assert [(each.pk, each.name) for each in assets(world, active=True)] == [(each.pk, each.name) for each in first]
    with as_role("app"), world.tenant.acting():
        Customer.objects.update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
        assert overview(this_month(), datetime.now(UTC)).active_assets == len(first)


@pytest.mark.parametrize("mode", ["ownerless", "html", "500", "truncated"])
def test_what_cannot_be_read_ends_nothing(world: ConnectedWorld, stub: StubVendor, mode: str) -> None:
    pull(world)
    before = [each.pk for each in assets(world, active=True)]
    stub.behave(mode)
    pull(world, 1)

    assert before
    assert [each.pk for each in assets(world, active=True)] == before


def test_a_customer_that_is_mapped_no_more_has_no_active_asset_of_the_connection(world: ConnectedWorld) -> None:
    pull(world)
    with as_role("app"), world.tenant.acting():
        unmap_customer(world.mappings[0], by=ALICE)
        Asset.objects.create(customer=world.tenant.customers[0], name="kept by hand")
    pull(world, 1)

    left = assets(world, customer=world.tenant.customers[0], active=True)
    assert [each.name for each in left] == ["kept by hand"]
    assert assets(world, customer=world.tenant.customers[1], active=True)
