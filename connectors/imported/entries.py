"""The entries of the catalogue whose tools are the tenant's."""

from connectors.contract import Client, Connection, Connector, ExternalId
from connectors.imported import mcp
from connectors.imported.openapi import client as openapi
from connectors.pace import Rate

BOUND = ("address", "sign_in", "header", "user")  # what the key was given for


def _nobody(_connection: Connection) -> list[Client]:
    """Who is a client there nobody can know before people have said which tool lists them (client_sources)."""
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
    bound_fields=BOUND,
    limit=Rate(requests=120, seconds=60),
    external_ids=ExternalId.EITHER,
    fetch=mcp.call_tool,
    offers=mcp.list_tools,
)

OPENAPI = Connector(
    key="openapi",
    name="OpenAPI description",
    vendor="Any",
    summary="Operations of any described API, each reviewed, held to one customer and exposed by an administrator.",
    form="connectors.imported.forms.OpenApiForm",
    secret_fields=("key",),
    tools=(),
    health=openapi.health,
    clients=_nobody,
    external_id_label="Client's id at the API",
    owner_fields=frozenset(),
    bound_fields=BOUND,
    limit=Rate(requests=120, seconds=60),
    external_ids=ExternalId.EITHER,
    fetch=openapi.call_operation,
    offers=openapi.list_operations,
    described_at=("description",),
)
