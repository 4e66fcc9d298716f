"""How a connection of the tenant's own shows who it is: by a bearer token, Basic, or a header."""

import re
from base64 import b64encode

from connectors.contract import Connection
from connectors.secret import Secret

BEARER, BASIC, HEADER = "bearer", "basic", "header"
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
# What says where a request goes, how long it is or what it means is not the settings' to say.
NOT_THEIRS = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "forwarded",
    "host", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent", "x-forwarded-host", "x-http-method", "x-http-method-override",
    "x-method-override", "x-original-url", "x-rewrite-url",
})  # fmt: skip


def headers(connection: Connection) -> dict[str, Secret]:
    key = connection.secrets["key"]
    if connection.settings["sign_in"] == HEADER:
        return {connection.settings["header"]: Secret(key.reveal())}
    if connection.settings["sign_in"] == BASIC:
        pair = f"{connection.settings['user']}:".encode() + key.reveal()
        return {"Authorization": Secret(b"Basic " + b64encode(pair))}
    return {"Authorization": Secret(b"Bearer " + key.reveal())}
