from connectors.contract import Client, Connection, Connector
from connectors.errors import VendorError
from connectors.pace import Rate
from connectors.paging import clients_of
from connectors.vendors.connectwise.billed import billed
from connectors.vendors.connectwise.client import ConnectWiseClient
from connectors.vendors.connectwise.reads import READS
from connectors.vendors.connectwise.signals import signals
from connectors.vendors.connectwise.writes import WRITES

# Its own hosting is said to answer so to a company or a key that it does not know.
_UNKNOWN_KEY = {404: "vendor_unauthorized"}


def _health(connection: Connection) -> str:
    system = ConnectWiseClient(connection).get("/system/info", codes=_UNKNOWN_KEY)
    if not isinstance(system, dict) or "version" not in system:
        raise VendorError("vendor_shape")
    return "Signed in at the vendor."


def _clients(connection: Connection) -> list[Client]:
    client, asked = ConnectWiseClient(connection), {"conditions": "deletedFlag=false", "orderBy": "id asc"}
    return clients_of(
        lambda number, size: client.page("/company/companies", asked, number=number, size=size), website="website"
    )


CONNECTWISE = Connector(
    key="connectwise",
    name="ConnectWise PSA",
    vendor="ConnectWise",
    summary="Tickets, SLA times, configurations, people, agreements and time, one customer at a time.",
    form="connectors.vendors.connectwise.forms.ConnectWiseSettingsForm",
    secret_fields=("private_key",),
    tools=(*READS, *WRITES),
    health=_health,
    clients=_clients,
    signals=signals,
    billed=billed,
    external_id_label="ConnectWise company record id (a number)",
    owner_fields=frozenset(
        {
            "company", "company_id", "companyId", "company_identifier", "companyIdentifier", "contact", "contact_id",
            "site", "site_id", "id", "conditions", "childConditions", "customFieldConditions", "fields", "orderBy",
        }
    ),
    bound_fields=("base_url", "company_id", "public_key", "client_id"),
    limit=Rate(requests=300, seconds=60),  # none is documented
)  # fmt: skip
