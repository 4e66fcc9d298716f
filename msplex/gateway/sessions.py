"""What a client of the handshake revisions can do. It says so once, when it begins, to any process of ours: so it is
sealed into the id of its session (`Mcp-Session-Id`), and nothing is kept here.

The id is no right and no secret: whoever uses it has a token of its own, and an id that cannot be opened, because it is
somebody else's, too old or none of ours, is as good as none. All that hangs on it is whether its client is asked.
"""

import json
from collections.abc import Mapping
from typing import Any

from mcp_types import ClientCapabilities
from pydantic import ValidationError

from msplex.gateway import handles
from msplex.gateway.asgi_types import Message, Scope, Send
from msplex.gateway.callers import Caller

CAPABILITIES = "msplex.capabilities"  # where the door puts what it has read
HEADER = b"mcp-session-id"
PURPOSE = "mcp-session"
GOOD_SECONDS = 30 * 24 * 3600
_KEPT = {"elicitation", "sampling"}
_OK = 200


def capabilities_of(scope: Scope, caller: Caller) -> ClientCapabilities | None:
    """Of the client whose session this request is of; None, if it has none of ours."""
    ids = [value for name, value in scope["headers"] if name == HEADER]
    if len(ids) != 1:
        return None
    try:
        return ClientCapabilities.model_validate(
            handles.unseal(ids[0].decode("latin-1"), purpose=PURPOSE, caller=caller)
        )
    except (handles.HandleRefused, ValidationError):
        return None


def begun(send: Send, caller: Caller, body: bytes) -> Send:
    """Gives the answer to `initialize` the id of a session; every other answer goes out as it is."""
    declared = _declared(body)
    if declared is None:
        return send
    named = handles.seal(declared, purpose=PURPOSE, caller=caller, good_seconds=GOOD_SECONDS).encode()

    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == _OK:
            message = {**message, "headers": [*message["headers"], (HEADER, named)]}
        await send(message)

    return forward


def _declared(body: bytes) -> dict[str, Any] | None:
    """Of what the client says that it can do, what matters here; None, if it does not begin."""
    if b'"initialize"' not in body:
        return None
    try:
        request = json.loads(body)
        if request["method"] != "initialize":
            return None
        said: Mapping[str, Any] = request["params"]["capabilities"]
        can = ClientCapabilities.model_validate({name: said[name] for name in _KEPT & said.keys()})
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError, ValidationError):
        return None
    return can.model_dump(mode="json", by_alias=True, exclude_none=True)
