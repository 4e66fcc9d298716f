from connectors.contract import Connection, Connector
from connectors.errors import VendorError
from connectors.pace import Rate
from connectors.vendors.halopsa.client import HaloClient
from connectors.vendors.halopsa.tools import GET_TICKET, LIST_TICKETS


def _health(connection: Connection) -> str:
    agent = HaloClient(connection).get("/Agent/me")
    if not isinstance(agent, dict) or "id" not in agent:
        raise VendorError("vendor_shape")
    return "Signed in at the vendor."


HALOPSA = Connector(
    key="halopsa",
    name="HaloPSA",
    vendor="Halo Service Solutions",
    summary="Tickets of your service desk, one customer at a time.",
    form="connectors.vendors.halopsa.forms.HaloSettingsForm",
    secret_fields=("client_secret",),
    tools=(LIST_TICKETS, GET_TICKET),
    health=_health,
    external_id_label="HaloPSA client id",
    bound_fields=("base_url", "client_id"),
    limit=Rate(requests=300, seconds=300),  # of hosted instances, by the text of its 429
)
