from connectors.contract import Client, Connection, Connector
from connectors.pace import Rate
from connectors.paging import clients_of
from connectors.vendors.itglue.client import GlueClient
from connectors.vendors.itglue.reads import READS
from connectors.vendors.itglue.writes import WRITES


def _health(connection: Connection) -> str:
    GlueClient(connection).page("/organizations", {}, number=1, size=1)
    return "The vendor takes the key."


def _clients(connection: Connection) -> list[Client]:
    client = GlueClient(connection)
    return clients_of(
        lambda number, size: client.page("/organizations", {}, number=number, size=size), name="attributes.name"
    )


ITGLUE = Connector(
    key="itglue",
    name="IT Glue",
    vendor="Kaseya",
    summary="Configurations, flexible assets, people, documents and what expires, one customer at a time.",
    form="connectors.vendors.itglue.forms.GlueSettingsForm",
    secret_fields=("api_key",),
    tools=(*READS, *WRITES),
    health=_health,
    clients=_clients,
    external_id_label="IT Glue organization id",
    owner_fields=frozenset(
        {"organization", "organization_id", "organization-id", "organization_ids", "organization_name", "parent_id",
         "psa_id", "psa_integration_type", "rmm_id", "location_id", "contact_id", "include", "id", "filter"}
    ),
    bound_fields=("base_url",),
    limit=Rate(requests=3000, seconds=300),
)  # fmt: skip
