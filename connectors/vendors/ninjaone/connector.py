from connectors.contract import Client, Connection, Connector
from connectors.pace import Rate
from connectors.paging import WALK_SIZE, clients_of
from connectors.vendors.ninjaone.client import NinjaClient
from connectors.vendors.ninjaone.reads import READS
from connectors.vendors.ninjaone.signals import signals
from connectors.vendors.ninjaone.writes import WRITES


def _health(connection: Connection) -> str:
    NinjaClient(connection).rows("/v2/organizations", "", {"pageSize": 1})
    return "Signed in at the vendor."


def _clients(connection: Connection) -> list[Client]:
    pages = NinjaClient(connection).after("/v2/organizations", size=WALK_SIZE)
    return clients_of(lambda _number, _size: next(pages, []))


NINJAONE = Connector(
    key="ninjaone",
    name="NinjaOne",
    vendor="NinjaOne",
    summary="Devices, alerts, patches, antivirus, backups and documents of your RMM, one customer at a time.",
    form="connectors.vendors.ninjaone.forms.NinjaSettingsForm",
    secret_fields=("client_secret",),
    tools=(*READS, *WRITES),
    health=_health,
    clients=_clients,
    signals=signals,
    nudges=True,
    external_id_label="NinjaOne organization id",
    owner_fields=frozenset(
        {"df", "ddf", "of", "org", "organization", "organizationId", "organizationIds", "organization_id",
         "locationId", "location_id", "clientId", "client_id", "newOrganizationId", "ownerUid"}
    ),
    bound_fields=("base_url", "client_id"),
    limit=Rate(requests=300, seconds=60),  # nothing is published: a guess to be careful with
)  # fmt: skip
