from connectors.contract import Client, Connection, Connector, ExternalId
from connectors.pace import Rate
from connectors.paging import clients_of
from connectors.vendors.pax8.client import Pax8Client, rows_of
from connectors.vendors.pax8.reads import READS
from connectors.vendors.pax8.writes import WRITES


def _health(connection: Connection) -> str:
    rows_of(Pax8Client(connection).get("/companies", {"page": 0, "size": 1}))
    return "Signed in at the vendor."


def _clients(connection: Connection) -> list[Client]:
    client = Pax8Client(connection)
    return clients_of(
        lambda number, size: client.page("/companies", {"sort": "name"}, number=number, size=size), website="website"
    )


PAX8 = Connector(
    key="pax8",
    name="Pax8",
    vendor="Pax8",
    summary="Subscriptions, orders, invoices and usage of the cloud marketplace, one customer at a time.",
    form="connectors.vendors.pax8.forms.Pax8SettingsForm",
    secret_fields=("client_secret",),
    tools=(*READS, *WRITES),
    health=_health,
    clients=_clients,
    external_id_label="Pax8 company id (a UUID)",
    external_ids=ExternalId.UUID,
    owner_fields=frozenset(
        {
            "company", "companyId", "company_id", "companyName", "externalId", "id", "isMock", "orderedByUserEmail",
            "orderedByUserId", "parentSubscriptionId", "parent_subscription_id", "subscriptionId",
        }
    ),
    bound_fields=("base_url", "client_id"),
    limit=Rate(requests=1000, seconds=60),  # said by clients of the API; not in its description
)  # fmt: skip
