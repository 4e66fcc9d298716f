"""Pax8's tools that change something: they spend money, or take a service away.

There is no idempotency key: a change is sent once, and what became of it is looked up by a person if it is not known.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.arguments import choice, day, schema, uuid, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.effects import Effect, Preview
from connectors.vendors.pax8.client import Pax8Client, identity
from connectors.vendors.pax8.reads import (
    BILLING_TERMS,
    GET_SUBSCRIPTION,
    SUBSCRIPTION_ID,
    SUBSCRIPTION_OF_CUSTOMER,
    read_subscription,
    subscription_path,
)
from connectors.vendors.pax8.shapes import CANCELLED, ORDER, OWNER, SUBSCRIPTION

_MOST_ITEMS, _MOST_SEATS = 10, 100_000
_DETAIL = {
    "type": "object",
    "properties": {
        "key": words("Key of the detail, as the product asks for it.", most=100),
        "values": {"type": "array", "items": words("A value.", most=500), "minItems": 1, "maxItems": 20},
    },
    "required": ["key", "values"],
    "additionalProperties": False,
}
_ITEM = {
    "type": "object",
    "properties": {
        "product_id": uuid("Id of the product."),
        "quantity": whole("How many.", most=_MOST_SEATS),
        "billing_term": choice(BILLING_TERMS, "How it is billed."),
        "commitment_term_id": uuid("Id of the commitment, for products that need one."),
        "provisioning_details": {"type": "array", "items": _DETAIL, "maxItems": 30},
    },
    "required": ["product_id", "quantity", "billing_term"],
    "additionalProperties": False,
}
_ORDER_SCHEMA = schema(
    {"line_items": {"type": "array", "items": _ITEM, "minItems": 1, "maxItems": _MOST_ITEMS}}, required=("line_items",)
)


def _order(arguments: Mapping[str, Any], customer: str) -> dict[str, Any]:
    numbered = enumerate(arguments["line_items"], start=1)
    return {OWNER: identity(customer), "lineItems": [_line(item, number) for number, item in numbered]}


def _line(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    line: dict[str, Any] = {
        "lineItemNumber": number,
        "productId": identity(item["product_id"]),
        "quantity": int(item["quantity"]),
        "billingTerm": item["billing_term"],
    }
    if "commitment_term_id" in item:
        line["commitmentTermId"] = identity(item["commitment_term_id"])
    if details := item.get("provisioning_details"):
        line["provisioningDetails"] = [{"key": one["key"], "values": list(one["values"])} for one in details]
    return line


def _check_order(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    """As a change all the same: that nothing comes of it is the vendor's word."""
    return Fetched([Pax8Client(connection).post("/orders", _order(arguments, customer), {"isMock": "true"})])


def _create_order(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    return Fetched([Pax8Client(connection).post("/orders", _order(arguments, customer))])


def _change_quantity(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    change = {"quantity": int(arguments["quantity"])}
    return Fetched([Pax8Client(connection).put(subscription_path(arguments), change)])


def _cancel(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    """The vendor answers with nothing: what is given back is what was cancelled, as it was before."""
    subscription = read_subscription(connection, arguments, customer).rows[0]
    date = {"cancelDate": f"{arguments['cancel_date']}T00:00:00Z"} if "cancel_date" in arguments else {}
    Pax8Client(connection).delete(subscription_path(arguments), date)
    return Fetched([{**subscription, "cancelDate": None, **date} if isinstance(subscription, dict) else subscription])


_LOOK = Preview(
    read=GET_SUBSCRIPTION,
    kind="Subscription",
    name="product_name",
    by={"subscription_id": "subscription_id"},
    effects=(
        Effect("Quantity", "quantity", "quantity"),
        Effect("Price of one", "price"),
        Effect("Currency", "currency"),
        Effect("Committed until", "commitment_end"),
    ),
)
_CANCELLED = replace(
    _LOOK,
    effects=(
        Effect("Status", "status", becomes="Cancelled"),
        Effect("Ends", "end_date", "cancel_date"),
        Effect("Quantity", "quantity"),
        Effect("Committed until", "commitment_end"),
    ),
)
CHECK_ORDER = Tool(
    name="check_order",
    title="Check an order without placing it",
    description=f"Whether Pax8 would take this order for the customer of this call. Nothing is bought. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=_ORDER_SCHEMA,
    output=Output("order", ORDER, many=False),
    run=_check_order,
    creates=True,
)
CREATE_ORDER = Tool(
    name="create_order",
    title="Buy for the customer",
    description=f"An order for the customer of this call: it spends money and may bind for years. {UNTRUSTED}",
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=_ORDER_SCHEMA,
    output=Output("order", ORDER, many=False),
    run=_create_order,
    creates=True,
)
CHANGE_QUANTITY = Tool(
    name="change_quantity",
    title="Change the quantity of a subscription",
    description=f"More spends money, and inside a commitment there may be no way back. {UNTRUSTED}",
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {"subscription_id": SUBSCRIPTION_ID, "quantity": whole("The new quantity, in all.", most=_MOST_SEATS)},
        required=("subscription_id", "quantity"),
    ),
    output=Output("subscription", SUBSCRIPTION, many=False),
    run=_change_quantity,
    guard=SUBSCRIPTION_OF_CUSTOMER,
    preview=_LOOK,
)
CANCEL = Tool(
    name="cancel_subscription",
    title="Cancel a subscription",
    description=f"The customer loses the service. {UNTRUSTED}",
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {"subscription_id": SUBSCRIPTION_ID, "cancel_date": day("When it ends. Without one: at once.")},
        required=("subscription_id",),
    ),
    output=Output("cancelled", CANCELLED, many=False),
    run=_cancel,
    guard=SUBSCRIPTION_OF_CUSTOMER,
    preview=_CANCELLED,
)
WRITES = (CHECK_ORDER, CREATE_ORDER, CHANGE_QUANTITY, CANCEL)
