"""How a connection of the tenant's own shows who it is: a bearer token, or a header of the server's."""

import re

from connectors.contract import Connection
from connectors.secret import Secret

BEARER, HEADER = "bearer", "header"
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
# What says where a request goes, how long it is or what it means is not the settings' to say.
NOT_THEIRS = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "host",
    "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent",
})  # fmt: skip


def headers(connection: Connection) -> dict[str, Secret]:
    key = connection.secrets["key"]
    if connection.settings["sign_in"] == HEADER:
        return {connection.settings["header"]: Secret(key.reveal())}
    return {"Authorization": Secret(b"Bearer " + key.reveal())}
