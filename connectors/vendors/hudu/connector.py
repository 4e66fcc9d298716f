from connectors.contract import Client, Connection, Connector, OwnCredentials
from connectors.pace import Rate
from connectors.paging import clients_of
from connectors.vendors.hudu.client import HuduClient
from connectors.vendors.hudu.reads import READS
from connectors.vendors.hudu.writes import WRITES


def _health(connection: Connection) -> str:
    """A list, as it is not said whether /api_info asks for the key at all."""
    HuduClient(connection).page("/companies", "companies", {}, number=1, size=1)
    return "The vendor takes the key."


def _clients(connection: Connection) -> list[Client]:
    client = HuduClient(connection)
    return clients_of(
        lambda number, size: client.page("/companies", "companies", {}, number=number, size=size), website="website"
    )


HUDU = Connector(
    key="hudu",
    name="Hudu",
    vendor="Hudu Technologies",
    summary="Articles, assets, processes, networks and what expires, from your documentation, one customer at a time.",
    form="connectors.vendors.hudu.forms.HuduSettingsForm",
    secret_fields=("api_key",),
    tools=(*READS, *WRITES),
    health=_health,
    clients=_clients,
    external_id_label="Hudu company id",
    owner_fields=frozenset(
        {"company", "company_id", "company_ids", "company_name", "company_template", "global_template",
         "parent_company_id", "process_scope", "id", "slug", "folder_id", "location_id"}
    ),
    bound_fields=("base_url",),
    limit=Rate(requests=300, seconds=60),
    own_credentials=OwnCredentials.OPTIONAL,  # a key of Hudu's can be made for one company
)  # fmt: skip
