from connectors.stub.world import uuid_of
from connectors.vendors.pax8.stub_data import SHARED_INVOICE
from tests.vendors.case import Case

ORDER = {
    "line_items": [
        {
            "product_id": "aaaaaaaa-0000-4000-8000-000000000001",
            "quantity": 5,
            "billing_term": "Monthly",
            "commitment_term_id": "bbbbbbbb-0000-4000-8000-000000000001",
            "provisioning_details": [{"key": "msDomain", "values": ["acme"]}],
        }
    ]
}
CASE = Case(
    connector="pax8",
    settings=lambda url, account: {"base_url": url, "client_id": account},
    secret=lambda secret: {"client_secret": secret},
    external_id=uuid_of,
    calls={
        "get_company": lambda _client: {},
        "list_subscriptions": lambda _client: {"status": "Active", "limit": 100},
        "get_subscription": lambda client: {"subscription_id": uuid_of(client, 3)},
        "subscription_history": lambda client: {"subscription_id": uuid_of(client, 3)},
        "subscription_pricing": lambda client: {"subscription_id": uuid_of(client, 3)},
        "subscription_usage": lambda client: {"subscription_id": uuid_of(client, 3)},
        "list_orders": lambda _client: {},
        "list_invoices": lambda _client: {"since": "2026-01-01", "until": "2026-12-31"},
        "list_invoice_items": lambda _client: {"invoice_id": SHARED_INVOICE},
        "list_draft_invoice_items": lambda _client: {"month": "this"},
        "check_order": lambda _client: ORDER,
        "create_order": lambda _client: ORDER,
        "change_quantity": lambda client: {"subscription_id": uuid_of(client, 3), "quantity": 14},
        "cancel_subscription": lambda client: {"subscription_id": uuid_of(client, 3), "cancel_date": "2026-12-31"},
    },
)
