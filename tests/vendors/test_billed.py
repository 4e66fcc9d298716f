"""What a PSA bills each customer of the product that counts assets: the customer's own quantity, or none at all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from connectors import billed as reading
from connectors.access_tokens import TOKENS
from connectors.billed import EVERY, enqueue_due_readings, read_billed
from connectors.errors import VendorError
from connectors.models import ConnectorInstance
from connectors.retiring import retire_instance
from connectors.services import unmap_customer
from connectors.tasks import read_billed as read_task
from connectors.vendors.connectwise.billed import billed
from tenants.isolation.context import Context, acting_for
from tenants.models import BilledQuantity, Entitlement
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case, connected_to
from tests.vendors.connectwise import CASE, GUID
from tests.vendors.recorder import connection, replies

pytestmark = pytest.mark.usefixtures("broker")
PRODUCT = "m365-bp "  # as people type it
OWN = [Decimal(44), Decimal(48), Decimal(52)]  # two lines of two agreements, of the client's number each


@pytest.fixture
def case() -> Case:
    return CASE


@pytest.fixture
def world(stub: StubVendor) -> ConnectedWorld:
    with as_role("app"):
        made = connected_to(CASE, stub)
    say(made, PRODUCT)
    return made


def say(world: ConnectedWorld, product: str) -> None:
    with as_role("app"), world.tenant.acting():
        ConnectorInstance.objects.update(settings={**world.instance.settings, "asset_product": product})


def read(world: ConnectedWorld, after: timedelta = timedelta()) -> list[BilledQuantity]:
    with as_role("broker"), acting_for(Context(world.tenant.id)):
        read_billed(world.instance.id, timezone.now() + after)
    with as_role("app"), world.tenant.acting():
        found = {row.customer_id: row for row in BilledQuantity.objects.all()}
        return [found[each.pk] for each in world.tenant.customers if each.pk in found]


def test_each_customer_has_what_its_own_agreements_bill(world: ConnectedWorld) -> None:
    rows = read(world)

    assert [row.quantity for row in rows] == OWN
    assert {(row.source, row.code, row.product) for row in rows} == {(world.instance.id, "", PRODUCT)}


# Where something else is answered than was asked for, nothing is known. What may go better is asked for again.
EXPECTED: dict[str, list[Any]] = {
    "mix": ["vendor_shape"] * 3,
    "ignore_filter": ["vendor_shape"] * 3,
    "ownerless": ["vendor_shape"] * 3,
    "html": ["vendor_not_json"] * 3,
    "500": [],
}


@pytest.mark.parametrize("mode", EXPECTED)
def test_a_vendor_that_answers_with_others_gives_nobody_a_foreign_quantity(
    world: ConnectedWorld, stub: StubVendor, mode: str
) -> None:
    stub.behave(mode)

    assert [row.quantity or row.code for row in read(world)] == EXPECTED[mode]


def test_it_is_asked_once_a_day_and_at_once_for_another_product(world: ConnectedWorld, stub: StubVendor) -> None:
    first = read(world)
    stub.behave("500")
    again = read(world, EVERY - timedelta(minutes=1))
    failed = read(world, EVERY + timedelta(minutes=1))
    stub.behave("honest")
    say(world, "OTHER")
    other = read(world)

    assert [row.read_at for row in first] == [row.read_at for row in again] == [row.read_at for row in failed]
    assert [(row.quantity, row.product, row.code) for row in other] == [(None, "OTHER", "")] * 3


def test_what_was_read_of_a_client_goes_with_its_mapping(world: ConnectedWorld) -> None:
    read(world)
    with as_role("app"), world.tenant.acting():
        unmap_customer(world.mappings[0], by=ALICE)

    assert [row.quantity for row in read(world)] == OWN[1:]


@pytest.mark.parametrize("bar", ["none", "no product", "retired", "ended"])
def test_nobody_is_asked_who_may_not_be_or_did_not_say_what_to_compare(
    world: ConnectedWorld, bar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(read_task._get_current_object()), "apply_async", lambda *_args, **_kwargs: None)
    with as_role("app"), world.tenant.acting():
        if bar == "retired":
            retire_instance(ConnectorInstance.objects.get(), by=ALICE)
        elif bar == "ended":
            Entitlement.objects.update(valid_until=timezone.now())
    if bar == "no product":
        say(world, "")

    with as_role("worker"), acting_for(Context(world.tenant.id)):
        swept = enqueue_due_readings(timezone.now())

    assert (swept, len(read(world))) == ((1, 3) if bar == "none" else (0, 0))


def test_a_few_customers_at_a_time(world: ConnectedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 2)

    assert (len(read(world)), len(read(world))) == (2, 3)


PAST, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"
AGREEMENT = {"id": 5, "company": {"id": 11}, "cancelledFlag": False, "startDate": PAST, "noEndingDateFlag": True}
LINE = {
    "id": 1, "agreementId": 5, "product": {"identifier": "DEVICE"}, "quantity": 7.5, "billCustomer": "Billable",
    "effectiveDate": PAST,
}  # fmt: skip


def told(agreement: dict[str, Any], *lines: dict[str, Any]) -> Decimal | None:
    TOKENS.clear()
    settings = {"base_url": "https://cw.example", "company_id": "acme", "public_key": "Pub1", "client_id": GUID}
    made, _ = connection(
        settings, {"private_key": "Priv1-2345678901"}, *map(replies, ({"Codebase": "v1/"}, [agreement], list(lines)))
    )
    return billed(made, "11", "device")


@pytest.mark.parametrize(
    ("agreement", "line", "quantity"),
    [
        ({}, {}, Decimal("7.50")),
        ({}, {"quantity": 0}, Decimal(0)),
        ({}, {"product": {"identifier": "DEVICE-2"}}, None),
        ({}, {"billCustomer": "DoNotBill"}, None),
        ({}, {"billCustomer": "NoCharge"}, None),
        ({}, {"effectiveDate": FUTURE}, None),
        ({}, {"cancelledDate": PAST}, None),
        ({}, {"cancelledDate": FUTURE}, Decimal("7.50")),
        ({}, {"cancelledDate": datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")}, Decimal("7.50")),
        ({"company": {"id": 12}}, {}, None),
        ({"cancelledFlag": True}, {}, None),
        ({"startDate": FUTURE}, {}, None),
        ({"noEndingDateFlag": False, "endDate": PAST}, {}, None),
    ],
)
def test_what_is_in_force_and_billable_counts(
    agreement: dict[str, Any], line: dict[str, Any], quantity: Decimal | None
) -> None:
    assert told(AGREEMENT | agreement, LINE | line, LINE | line) == quantity  # the same line twice is one


@pytest.mark.parametrize(
    "line", [{"agreementId": 6}, {"agreementId": None}, {"id": None}, {"quantity": "7"}, {"quantity": -1}]
)
def test_a_line_that_cannot_be_read_is_no_number(line: dict[str, Any]) -> None:
    with pytest.raises(VendorError):
        told(AGREEMENT, LINE | line)
