"""Pax8's tools that read.

Only typed, listed arguments reach the vendor; the customer is put in here, never by the caller.
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.arguments import choice, day, page_of, pages, schema, uuid, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Run, Tier, Tool
from connectors.narrowing import Owner
from connectors.paging import listed, picked_out
from connectors.shapes import Shape, at
from connectors.vendors.pax8.client import Pax8Client, identity, rows_of
from connectors.vendors.pax8.shapes import (
    COMPANY,
    INVOICE,
    INVOICE_ITEM,
    ORDER,
    OWNER,
    PRICING,
    SUBSCRIPTION,
    USAGE,
)

BILLING_TERMS = ("Monthly", "Annual", "2-Year", "3-Year", "One-Time", "Trial", "Activation")
_STATUSES = (
    "Active", "Cancelled", "PendingManual", "PendingAutomated", "PendingCancel", "WaitingForDetails", "Trial",
    "Converted", "PendingActivation", "Activated",
)  # fmt: skip
_INVOICE_STATUSES = ("Unpaid", "Paid", "Void", "Carried", "Nothing Due", "Credited")
_MONTHS = {"this": 0, "next": 1}
Arguments = Mapping[str, Any]
Parameters = dict[str, str | int]


def _list_of(path: str | Callable[[Arguments], str], shape: Shape, asked: Callable[[Arguments], Parameters]) -> Run:
    def run(connection: Connection, arguments: Arguments, customer: str) -> Fetched:
        client, parameters = Pax8Client(connection), asked(arguments) | {OWNER: identity(customer)}
        place = path if isinstance(path, str) else path(arguments)
        page, limit = page_of(arguments)
        return listed(
            lambda number, size: client.page(place, parameters, number=number, size=size),
            owner=Owner(customer),
            shape=shape,
            page=page,
            limit=limit,
        )

    return run


def _subscription_parameters(arguments: Arguments) -> Parameters:
    names = {"status": "status", "billing_term": "billingTerm", "product_id": "productId"}
    return {theirs: str(arguments[ours]) for ours, theirs in names.items() if ours in arguments}


def _invoice_parameters(arguments: Arguments) -> Parameters:
    names = {"status": "status", "since": "invoiceDateRangeStart", "until": "invoiceDateRangeEnd"}
    return {theirs: str(arguments[ours]) for ours, theirs in names.items() if ours in arguments}


def _usage_parameters(arguments: Arguments) -> Parameters:
    return {"resourceGroup": str(arguments["resource_group"])} if "resource_group" in arguments else {}


def subscription_path(arguments: Arguments, below: str = "") -> str:
    return f"/subscriptions/{identity(arguments['subscription_id'])}{below}"


def read_subscription(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    return Fetched([Pax8Client(connection).get(subscription_path(arguments))])


def _get_company(connection: Connection, _arguments: Arguments, customer: str) -> Fetched:
    """A company is named by its own id, and what is inside of it by others: so it gets its id as its owner."""
    row = Pax8Client(connection).get(f"/companies/{identity(customer)}")
    return Fetched([{**row, OWNER: row.get("id")} if isinstance(row, dict) else row])


def _history(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    return Fetched(rows_of(Pax8Client(connection).get(subscription_path(arguments, "/history"))))


def _pricing(connection: Connection, arguments: Arguments, customer: str) -> Fetched:
    """Of the product of a subscription. Whose subscription it is has been looked at."""
    client = Pax8Client(connection)
    product = identity(at(client.get(subscription_path(arguments)), "productId"))
    return Fetched(rows_of(client.get(f"/products/{product}/pricing", {OWNER: identity(customer)})))


def _invoice_items(connection: Connection, arguments: Arguments, customer: str) -> Fetched:
    """An invoice may be of several companies: the items of others are what was asked for, and are not given out."""
    client, path = Pax8Client(connection), f"/invoices/{identity(arguments['invoice_id'])}/items"
    page, limit = page_of(arguments)
    return picked_out(
        lambda number, size: client.page(path, {}, number=number, size=size),
        owner=Owner(customer),
        shape=INVOICE_ITEM,
        page=page,
        limit=limit,
        shared=True,
    )


SUBSCRIPTION_OF_CUSTOMER = Parent(read=read_subscription, owner=OWNER)
_PRODUCT_OF_SUBSCRIPTION = Parent(read=read_subscription, owner=OWNER, id="productId")
SUBSCRIPTION_ID = uuid("Id of the subscription.")

GET_COMPANY = Tool(
    name="get_company",
    title="Get the customer's company",
    description=f"The customer of this call as Pax8 knows it, with its contacts: personal data. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema({}),
    output=Output("company", COMPANY, many=False),
    run=_get_company,
)
LIST_SUBSCRIPTIONS = Tool(
    name="list_subscriptions",
    title="List subscriptions",
    description=f"Subscriptions of the customer of this call, with price, quantity and commitment. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "status": choice(_STATUSES, "Only those of this status."),
            "billing_term": choice(BILLING_TERMS, "Only those billed so."),
            "product_id": uuid("Only those of this product."),
            **pages(),
        }
    ),
    output=Output("subscriptions", SUBSCRIPTION, many=True),
    run=_list_of("/subscriptions", SUBSCRIPTION, _subscription_parameters),
)
GET_SUBSCRIPTION = Tool(
    name="get_subscription",
    title="Get a subscription",
    description=f"One subscription of the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"subscription_id": SUBSCRIPTION_ID}, required=("subscription_id",)),
    output=Output("subscription", SUBSCRIPTION, many=False),
    run=read_subscription,
)
SUBSCRIPTION_HISTORY = Tool(
    name="subscription_history",
    title="Get what a subscription was before",
    description=f"Earlier states of one subscription of the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"subscription_id": SUBSCRIPTION_ID}, required=("subscription_id",)),
    output=Output("subscriptions", SUBSCRIPTION, many=True),
    run=_history,
    guard=SUBSCRIPTION_OF_CUSTOMER,
)
SUBSCRIPTION_PRICING = Tool(
    name="subscription_pricing",
    title="Get the list prices of a subscription's product",
    description=f"Suggested retail prices, by term and quantity, of what the customer has subscribed to. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"subscription_id": SUBSCRIPTION_ID}, required=("subscription_id",)),
    output=Output("prices", PRICING, many=True),
    run=_pricing,
    guard=_PRODUCT_OF_SUBSCRIPTION,
)
SUBSCRIPTION_USAGE = Tool(
    name="subscription_usage",
    title="Get what a subscription has used",
    description=f"Usage of one subscription of the customer in this month, by resource group. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "subscription_id": SUBSCRIPTION_ID,
            "resource_group": words("Only of this resource group.", most=200),
            **pages(),
        },
        required=("subscription_id",),
    ),
    output=Output("usage", USAGE, many=True),
    run=_list_of(lambda arguments: subscription_path(arguments, "/usage-summaries"), USAGE, _usage_parameters),
    guard=SUBSCRIPTION_OF_CUSTOMER,
)
LIST_ORDERS = Tool(
    name="list_orders",
    title="List orders",
    description=f"Orders for the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(pages()),
    output=Output("orders", ORDER, many=True),
    run=_list_of("/orders", ORDER, lambda _arguments: {}),
)
LIST_INVOICES = Tool(
    name="list_invoices",
    title="List invoices",
    description=f"Invoices that name the customer of this call: financial data. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "status": choice(_INVOICE_STATUSES, "Only those of this status."),
            "since": day("Dated on this day or later."),
            "until": day("Dated on this day or earlier."),
            **pages(),
        }
    ),
    output=Output("invoices", INVOICE, many=True),
    run=_list_of("/invoices", INVOICE, _invoice_parameters),
)
LIST_INVOICE_ITEMS = Tool(
    name="list_invoice_items",
    title="List the customer's items of an invoice",
    description=f"What one invoice bills for the customer of this call; it may bill others, too. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"invoice_id": uuid("Id of the invoice."), **pages()}, required=("invoice_id",)),
    output=Output("items", INVOICE_ITEM, many=True),
    run=_invoice_items,
)
LIST_DRAFT_ITEMS = Tool(
    name="list_draft_invoice_items",
    title="List what will be billed",
    description=f"What is going to be billed for the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema({"month": choice(list(_MONTHS), "Which month.", default="next"), **pages()}),
    output=Output("items", INVOICE_ITEM, many=True),
    run=_list_of(
        "/invoices/draftItems", INVOICE_ITEM, lambda arguments: {"monthOffset": _MONTHS[arguments.get("month", "next")]}
    ),
)
READS = (
    GET_COMPANY, LIST_SUBSCRIPTIONS, GET_SUBSCRIPTION, SUBSCRIPTION_HISTORY, SUBSCRIPTION_PRICING, SUBSCRIPTION_USAGE,
    LIST_ORDERS, LIST_INVOICES, LIST_INVOICE_ITEMS, LIST_DRAFT_ITEMS,
)  # fmt: skip
