"""The small world of the stub: made-up subscriptions, orders and invoices of three clients each."""

from collections.abc import Iterator
from typing import Any

from connectors.stub.world import CLIENTS, FABRIKAM, NORTHWIND, Account, marker, uuid_of

SUBSCRIPTIONS_PER_CLIENT = 24
# Of everybody: what one invoice bills belongs to several companies.
SHARED_INVOICE = "0f0f0f0f-0000-4000-8000-000000000001"
CREDENTIALS = {
    "northwind-pax8": Account("stub-northwind-pax8-9f2c41d7", NORTHWIND),
    "fabrikam-pax8": Account("stub-fabrikam-pax8-3b7e90c2", FABRIKAM),
}
_PRODUCTS = ("Microsoft 365 Business Premium", "Endpoint protection", "Backup for Microsoft 365")
_PRODUCT_IDS = tuple(f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def company(client: int) -> dict[str, Any]:
    mark = marker(client)
    return {
        "id": uuid_of(client),
        "name": CLIENTS[client],
        "address": {"street": f"1 Main Street {mark}", "city": "Denver", "stateOrProvince": "CO",
                    "postalCode": "80111", "country": "US"},
        "phone": "555-555-0100",
        "website": f"https://client{client}.example",
        "externalId": f"EXT-{client}",
        "billOnBehalfOfEnabled": False,
        "selfServiceAllowed": True,
        "orderApprovalRequired": True,
        "status": "Active",
        "contacts": [
            {"id": uuid_of(client, 900), "firstName": "Robin", "lastName": f"Hale {mark}", "phone": "555-555-0101",
             "email": f"robin@client{client}.example", "password": f"CANARY-{client}",
             "types": [{"type": "Admin", "primary": True}]}
        ],
    }  # fmt: skip


def subscription(client: int, position: int) -> dict[str, Any]:
    product = position % len(_PRODUCTS)
    return {
        "id": uuid_of(client, position),
        "companyId": uuid_of(client),
        "productId": _PRODUCT_IDS[product],
        "productName": f"{_PRODUCTS[product]} ({marker(client)})",
        "vendorSubscriptionId": f"vendor-{client}-{position}",
        "quantity": 10 + position,
        "startDate": "2026-01-01T00:00:00.000+0000",
        "endDate": None,
        "createdDate": "2025-12-30T10:00:00.000+0000",
        "billingStart": "2026-01-01",
        "status": "Active" if position % 6 else "Cancelled",
        "price": 22.0,
        "partnerCost": 17.35,
        "currencyCode": "USD",
        "billingTerm": "Monthly",
        "commitmentTerm": {"id": uuid_of(client, 800), "term": "1-Year", "endDate": "2026-12-31T00:00:00.000+0000"},
        "provisioningDetails": [{"key": "adminPassword", "values": [f"CANARY-provisioned-{client}"]}],
    }


def subscriptions(client: int) -> list[dict[str, Any]]:
    return [subscription(client, position) for position in range(1, SUBSCRIPTIONS_PER_CLIENT + 1)]


def every_subscription() -> Iterator[dict[str, Any]]:
    return (row for client in CLIENTS for row in subscriptions(client))


def orders(client: int) -> list[dict[str, Any]]:
    return [
        {
            "id": uuid_of(client, 300 + position),
            "companyId": uuid_of(client),
            "createdDate": f"2026-0{position}-01",
            "orderedBy": "Pax8 Partner",
            "orderedByUserEmail": f"{marker(client)}@client.example",
            "isScheduled": False,
            "lineItems": [
                {"id": uuid_of(client, 400 + position), "productId": _PRODUCT_IDS[0], "quantity": 5,
                 "subscriptionId": uuid_of(client, position), "billingTerm": "Monthly"}
            ],
        }
        for position in (1, 2, 3)
    ]  # fmt: skip


def invoices(client: int) -> list[dict[str, Any]]:
    return [
        {
            "id": uuid_of(client, 500 + month),
            "companyId": uuid_of(client),
            "externalId": f"EXT-{client}",
            "partnerName": f"Partner of {marker(client)}",
            "invoiceDate": f"2026-{month:02d}-05",
            "dueDate": f"2026-{month:02d}-25",
            "status": "Paid",
            "total": 264.0,
            "balance": 0,
            "carriedBalance": 0,
            "currencyCode": "USD",
        }
        for month in (9, 10, 11)
    ]


def items(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": uuid_of(client, 600 + position),
            "type": "subscription",
            "companyId": uuid_of(client),
            "companyName": f"{CLIENTS[client]} {mark}",
            "startPeriod": "2026-11-01",
            "endPeriod": "2026-11-30",
            "quantity": 12,
            "unitOfMeasure": "Each",
            "term": "Monthly",
            "sku": "MST-365-BP",
            "description": f"Seats {mark}",
            "productName": _PRODUCTS[0],
            "productId": _PRODUCT_IDS[0],
            "price": 22.0,
            "subTotal": 264.0,
            "total": 264.0,
            "cost": 17.35,
            "costTotal": 208.2,
            "currencyCode": "USD",
            "subscriptionId": uuid_of(client, position),
        }
        for position in (1, 2, 3)
    ]


def usage(client: int) -> list[dict[str, Any]]:
    return [
        {
            "id": uuid_of(client, 700 + position),
            "companyId": uuid_of(client),
            "productId": _PRODUCT_IDS[1],
            "resourceGroup": f"Group {position} {marker(client)}",
            "vendorName": "Microsoft",
            "currentCharges": 41.5,
            "partnerTotal": 33.1,
            "currencyCode": "USD",
            "isTrial": False,
        }
        for position in (1, 2)
    ]


def pricing(product: str) -> list[dict[str, Any]]:
    if product not in _PRODUCT_IDS:
        return []
    return [
        {
            "productId": product,
            "productName": _PRODUCTS[_PRODUCT_IDS.index(product)],
            "billingTerm": "Monthly",
            "commitmentTerm": "1-Year",
            "type": "Flat",
            "unitOfMeasurement": "Each",
            "rates": [{"partnerBuyRate": 17.35, "suggestedRetailPrice": 22.0, "startQuantityRange": 1,
                       "endQuantityRange": None, "chargeType": "Per Unit"}],
        }
    ]  # fmt: skip


def every_pricing() -> list[dict[str, Any]]:
    return [row for product in _PRODUCT_IDS for row in pricing(product)]
