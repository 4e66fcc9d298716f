"""The entries of the catalogue whose tools are the tenant's."""

from connectors.contract import Client, Connection, Connector, ExternalId
from connectors.imported import mcp
from connectors.pace import Rate


def _nobody(_connection: Connection) -> list[Client]:
    """Who is a client there is not said in any way that we know: mappings are entered."""
    return []


MCP = Connector(
    key="mcp",
    name="MCP server",
    vendor="Any",
    summary="Tools of any MCP server, each reviewed, held to one customer and exposed by an administrator.",
    form="connectors.imported.forms.McpForm",
    secret_fields=("key",),
    tools=(),
    health=mcp.health,
    clients=_nobody,
    external_id_label="Client's id at the server",
    owner_fields=frozenset(),
    bound_fields=("address", "sign_in", "header"),
    limit=Rate(requests=120, seconds=60),
    external_ids=ExternalId.EITHER,
    fetch=mcp.call_tool,
)
