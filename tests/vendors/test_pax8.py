"""What is special about Pax8: a token by JSON, pages from zero, shared invoices, orders, cancellations."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connectors.access_tokens import TOKENS
from connectors.contract import Risk
from connectors.errors import ArgumentsInvalid, ExecutionError, VendorError
from connectors.shapes import Field, Nested, Shape
from connectors.stub.world import uuid_of
from connectors.vendors.pax8 import shapes
from connectors.vendors.pax8.client import Pax8Client, identity
from connectors.vendors.pax8.connector import PAX8
from connectors.vendors.pax8.forms import Pax8SettingsForm
from connectors.vendors.pax8.stub_data import SHARED_INVOICE
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case, connected_to
from tests.vendors.pax8 import CASE, ORDER
from tests.vendors.recorder import Recorder, connection, replies
from tests.vendors.test_every_tool import refused, run

pytestmark = pytest.mark.usefixtures("broker")
DESCRIPTION = next(
    (
        found
        for parent in Path(__file__).parents
        if (found := parent / "shared" / "openapi" / "pax8-partner.openapi3.json").exists()
    ),
    None,
)
THIRD = uuid_of(12, 3)
COSTS = {"partnercost", "partner_cost", "cost", "cost_total", "costtotal", "partner_total", "partnerbuyrate"}


@pytest.fixture
def case() -> Case:
    return CASE


@pytest.fixture
def connected(stub: StubVendor) -> ConnectedWorld:
    with as_role("app"):
        return connected_to(CASE, stub)


def client_with(*answers: Any) -> tuple[Pax8Client, Recorder]:
    TOKENS.clear()
    settings = {"base_url": "https://api.pax8.com", "client_id": "app-1"}
    made, recorder = connection(settings, {"client_secret": "s3cret-of-the-app"}, *answers)
    return Pax8Client(made), recorder


def token(value: str = "t0ken") -> Any:
    return replies({"access_token": value, "token_type": "Bearer", "expires_in": 86400})


def test_a_token_is_asked_for_in_json_and_used_as_a_bearer() -> None:
    client, recorder = client_with(token(), replies({"content": []}), replies({"content": []}))

    for _ in range(2):
        client.page("/orders", {}, number=1, size=25)

    sign_in, first, _second = recorder.requests
    assert sign_in.url == "https://api.pax8.com/v1/token"
    assert sign_in.body is not None
    assert json.loads(sign_in.body.reveal()) == {
        "client_id": "app-1",
        "client_secret": "s3cret-of-the-app",
        "audience": "https://api.pax8.com",
        "grant_type": "client_credentials",
    }
    assert first.authorization is not None
    assert first.authorization.reveal_text() == "Bearer t0ken"
    assert first.url == "https://api.pax8.com/v1/orders?page=0&size=25"


def test_a_token_that_ended_early_is_renewed_once() -> None:
    client, recorder = client_with(token("old"), replies({}, 401), token("new"), replies({"content": []}))

    client.page("/orders", {}, number=1, size=25)

    bearer = recorder.requests[-1].authorization
    assert bearer is not None
    assert bearer.reveal_text() == "Bearer new"


def test_a_wrong_secret_is_a_refused_credential() -> None:
    client, _ = client_with(replies({"error": "access_denied"}, 401))

    with pytest.raises(VendorError) as caught:
        client.get("/companies")

    assert caught.value.code == "vendor_unauthorized"


NO_IDS = ["../companies", f"{THIRD}/../x", f"{THIRD}\n", f"{THIRD}?isMock=true", "12", "", THIRD[:-1], None]


@pytest.mark.parametrize("value", NO_IDS)
def test_an_id_is_a_uuid_and_nothing_else(value: Any, connected: ConnectedWorld, stub: StubVendor) -> None:
    for tool in ("get_subscription", "cancel_subscription", "subscription_usage"):
        assert refused(connected, tool, {"subscription_id": value}, customer=1).code == "arguments_invalid"
    with pytest.raises(ArgumentsInvalid):
        identity(value)
    assert stub.seen()["total"] == 0


def test_pages_of_the_customers_do_not_overlap(connected: ConnectedWorld, stub: StubVendor) -> None:
    first = run(connected, "list_subscriptions", {"limit": 10}, customer=1)
    second = run(connected, "list_subscriptions", {"limit": 10, "page": 2}, customer=1)

    assert (first.structured["has_more"], second.rows_returned) == (True, 10)
    assert not {row["id"] for row in first.rows} & {row["id"] for row in second.rows}
    assert "page=1" in stub.seen()["queries"][-1]


def test_an_invoice_of_several_companies_gives_the_customers_items_alone(connected: ConnectedWorld) -> None:
    result = run(connected, "list_invoice_items", {"invoice_id": SHARED_INVOICE}, customer=1)

    assert {row["company_id"] for row in result.rows} == {uuid_of(12)}
    assert (result.rows_returned, result.rows_dropped, result.structured["count"]) == (3, 0, 3)


def test_what_the_provider_pays_is_in_no_answer(connected: ConnectedWorld) -> None:
    for name, arguments in CASE.calls.items():
        result = run(connected, name, arguments(12), customer=1)

        assert not COSTS & _names(result.structured), name
        assert "17.35" not in json.dumps(result.structured), name


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {name.lower() for name in value} | {name for item in value.values() for name in _names(item)}
    return {name for item in value for name in _names(item)} if isinstance(value, list) else set()


def test_a_check_is_marked_as_one_and_an_order_is_not(connected: ConnectedWorld, stub: StubVendor) -> None:
    checked = run(connected, "check_order", ORDER, customer=1)
    placed = run(connected, "create_order", ORDER, customer=1)

    assert (checked.rows[0]["id"], bool(placed.rows[0]["id"])) == (None, True)
    assert stub.seen()["queries"][-2:] == ["isMock=true", ""]
    assert stub.seen()["changes"][1]["body"] == {
        "companyId": uuid_of(12),
        "lineItems": [
            {
                "lineItemNumber": 1,
                "productId": "aaaaaaaa-0000-4000-8000-000000000001",
                "quantity": 5,
                "billingTerm": "Monthly",
                "commitmentTermId": "bbbbbbbb-0000-4000-8000-000000000001",
                "provisioningDetails": [{"key": "msDomain", "values": ["acme"]}],
            }
        ],
    }


@pytest.mark.parametrize(
    "more", [{"companyId": uuid_of(13)}, {"parentSubscriptionId": uuid_of(13, 1)}, {"quantity": 0}, {"price": 1}]
)
def test_a_line_takes_nothing_that_is_not_declared(more: Any, connected: ConnectedWorld, stub: StubVendor) -> None:
    order = {"line_items": [ORDER["line_items"][0] | more]}

    assert refused(connected, "create_order", order, customer=1).code == "arguments_invalid"
    assert stub.seen()["total"] == 0


def test_only_the_quantity_is_changed(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "change_quantity", {"subscription_id": THIRD, "quantity": 14}, customer=1)

    path = f"/v1/subscriptions/{THIRD}"
    assert stub.seen()["changes"] == [{"method": "PUT", "path": path, "body": {"quantity": 14}}]


def test_a_cancellation_is_answered_by_what_was_cancelled(connected: ConnectedWorld, stub: StubVendor) -> None:
    asked = {"subscription_id": THIRD, "cancel_date": "2026-12-31"}

    result = run(connected, "cancel_subscription", asked, customer=1)

    assert (result.rows[0]["id"], result.rows[0]["cancel_date"]) == (THIRD, "2026-12-31T00:00:00Z")
    assert stub.seen()["queries"][-1] == "cancelDate=2026-12-31T00%3A00%3A00Z"
    now = run(connected, "get_subscription", {"subscription_id": THIRD}, customer=1)
    assert now.rows[0]["status"] == "PendingCancel"


def test_what_spends_money_or_takes_away_is_destructive() -> None:
    risks = {tool.name: tool.risk for tool in PAX8.tools if not tool.is_read}

    assert risks == {
        "check_order": Risk.WRITE,
        "create_order": Risk.DESTRUCTIVE,
        "change_quantity": Risk.DESTRUCTIVE,
        "cancel_subscription": Risk.DESTRUCTIVE,
    }


def test_a_company_that_the_key_does_not_see_is_an_operators_matter(
    connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.account(11, name=connected.client_id, secret=connected.secret)

    error: ExecutionError = refused(connected, "list_subscriptions", {}, customer=1)

    assert (error.code, error.permanent) == ("vendor_forbidden", True)


@pytest.mark.parametrize(
    "address", ["https://api.pax8.com.evil.example", "https://pax8.example", "http://api.pax8.com"]
)
def test_the_secret_goes_to_pax8_alone(address: str) -> None:
    form = Pax8SettingsForm({"base_url": address, "client_id": "app-1", "client_secret": "x" * 20})

    assert list(form.errors) == ["base_url"]


# What follows compares with the vendor's own description, which is not ours to keep in the repository.


@pytest.fixture(scope="module")
def description() -> Any:
    if DESCRIPTION is None:
        pytest.skip("the vendor's description is not here: shared/openapi/pax8-partner.openapi3.json")
    return json.loads(DESCRIPTION.read_text())


def test_paths_methods_and_parameters_are_the_descriptions(description: Any, connected: ConnectedWorld) -> None:
    known = {
        (method.upper(), "/v1" + re.sub(r"\{[^}]*\}", "{}", path)): {
            parameter["name"] for parameter in [*operation.get("parameters", []), *operations.get("parameters", [])]
        }
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
    }
    seen = set()
    for name, arguments in CASE.calls.items():
        for exchange in run(connected, name, arguments(12), customer=1).exchanges:
            path, _, names = exchange.path.partition("?")
            if path != "/v1/token":
                seen.add((exchange.method, path))
                assert (exchange.method, path) in known, name
                assert set(filter(None, names.split(","))) <= known[exchange.method, path], name
    assert len(seen) == 13


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        (shapes.COMPANY, "Company"),
        (shapes.SUBSCRIPTION, "Subscription"),
        (shapes.ORDER, "Order"),
        (shapes.INVOICE_ITEM, "InvoiceItem"),
        (shapes.USAGE, "UsageSummary"),
        (shapes.PRICING, "Pricing"),
    ],
)
def test_what_is_given_out_is_in_the_description(shape: Shape, schema: str, description: Any) -> None:
    properties = set(description["components"]["schemas"][schema]["properties"])

    heads = {(member.source or member.name).partition(".")[0] for member in _members(shape)}
    made_here = {"companyId"} if schema == "Company" else set()  # a company is named by its own id
    assert heads - made_here <= properties


def _members(shape: Shape) -> tuple[Field | Nested, ...]:
    return (*shape.fields, *shape.nested)


def test_what_is_sent_is_in_the_description(description: Any, connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "create_order", ORDER, customer=1)

    body = stub.seen()["changes"][0]["body"]
    parts = description["components"]["schemas"]
    assert set(body) <= set(parts["CreateOrder"]["properties"])
    assert set(body["lineItems"][0]) <= set(parts["CreateLineItem"]["properties"])
    assert set(body["lineItems"][0]["provisioningDetails"][0]) <= set(parts["ProvisioningDetail"]["properties"])
