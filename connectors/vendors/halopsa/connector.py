from connectors.contract import Client, Connection, Connector
from connectors.errors import VendorError
from connectors.pace import Rate
from connectors.paging import clients_of
from connectors.vendors.halopsa.client import HOSTED, HaloClient
from connectors.vendors.halopsa.reads import READS
from connectors.vendors.halopsa.signals import signals
from connectors.vendors.halopsa.writes import WRITES


def _health(connection: Connection) -> str:
    agent = HaloClient(connection).get("/Agent/me")
    if not isinstance(agent, dict) or "id" not in agent:
        raise VendorError("vendor_shape")
    return "Signed in at the vendor."


def _clients(connection: Connection) -> list[Client]:
    client = HaloClient(connection)
    return clients_of(
        lambda number, size: client.page("/Client", "clients", {}, number=number, size=size), website="website"
    )


HALOPSA = Connector(
    key="halopsa",
    name="HaloPSA",
    vendor="Halo Service Solutions",
    summary="Tickets, assets, people and contracts of your service desk, one customer at a time.",
    form="connectors.vendors.halopsa.forms.HaloSettingsForm",
    secret_fields=("client_secret",),
    tools=(*READS, *WRITES),
    health=_health,
    clients=_clients,
    signals=signals,
    nudges=True,
    external_id_label="HaloPSA client id",
    owner_fields=frozenset(
        {"client_id", "client_ids", "site_id", "toplevel_id", "user_id", "id", "view_id", "list_id", "columns_id"}
    ),
    bound_fields=("base_url", "client_id"),
    domains=HOSTED,  # hosted instances sign in elsewhere on the vendor's hosting
    limit=Rate(requests=300, seconds=300),  # of hosted instances, by the text of its 429
)
