"""Where the policy lets the caller say yes itself, its client is asked, and makes the same call again with the answer.

Multi round-trip requests (MCP 2026-07-28, SEP-2322): the question goes out with a sealed state, and nothing is kept
here. The state is good for ten minutes, for the same principal, agent session, tool and arguments; what it confirms is
done once, because the call holds the state's nonce as its name (msplex.gateway.repeating).
"""

import dataclasses
import json
import secrets
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from mcp.server.request_state import RequestStateBoundary
from mcp_types import CallToolRequestParams, ClientCapabilities

from approvals.showing import shown_arguments
from msplex.decision.verdicts import Code
from msplex.gateway.approving import Told
from msplex.gateway.callers import Caller
from msplex.gateway.calls import Begun

NAME, FIELD = "confirm", "confirm"
LONGEST = 600  # characters of the arguments in the question
_NONCE_BYTES = 16
_PREFIX = "confirmed:"
_SCHEMA = {
    "type": "object",
    "properties": {FIELD: {"type": "boolean", "title": "Do it", "description": "Exactly this, once."}},
    "required": [FIELD],
}


def can_ask(capabilities: ClientCapabilities | None) -> bool:
    """Whether the client puts a form to its user."""
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def is_asked(begun: Begun) -> bool:
    refusal = begun.decision.refusal
    return refusal is not None and refusal.code == Code.CONFIRMATION_REQUIRED


def question(begun: Begun, arguments: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """Instead of a result. The state is in clear here, and sealed before it leaves."""
    asked = {"mode": "form", "message": _message(begun, arguments), "requestedSchema": _SCHEMA}
    state = json.dumps([secrets.token_hex(_NONCE_BYTES), told.key or ""])
    requests = {NAME: {"method": "elicitation/create", "params": asked}}
    return {"resultType": "input_required", "inputRequests": requests, "requestState": state, "_meta": {}}


def _message(begun: Begun, arguments: Mapping[str, Any]) -> str:
    resolved = begun.decision.resolved
    tool, customer = resolved.tool, resolved.customer
    said = json.dumps(shown_arguments(dict(arguments)), ensure_ascii=False)
    more = "…" if len(said) > LONGEST else ""
    return f"{tool.title if tool else 'This'} for {customer.name if customer else 'nobody'}? {said[:LONGEST]}{more}"


def with_answer(told: Told, params: CallToolRequestParams) -> Told:
    """What the client says that its user has answered; `request_state` was opened for this very call already."""
    response = (params.input_responses or {}).get(NAME)
    nonce = _nonce(params.request_state, told)
    if response is None or nonce is None:
        return told
    content = getattr(response, "content", None)
    yes = getattr(response, "action", "") == "accept" and isinstance(content, dict) and content.get(FIELD) is True
    return dataclasses.replace(told, confirmed=_PREFIX + nonce if yes else None, declined=not yes)


def _nonce(state: str | None, told: Told) -> str | None:
    """Of a question that was put for a call under the same name, or none."""
    try:
        nonce, key = json.loads(state or "")
    except (ValueError, TypeError):
        return None
    return nonce if isinstance(nonce, str) and key == (told.key or "") else None


async def sealed(
    boundary: RequestStateBoundary, scope: Mapping[str, Caller], params: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """As the SDK seals it, for an answer that does not pass through the SDK."""

    async def answered(_: Any) -> Any:
        return result

    first = {name: params[name] for name in ("name", "arguments") if name in params}
    context: Any = SimpleNamespace(method="tools/call", params=first, request=SimpleNamespace(scope=scope))
    said: Any = await boundary(context, answered)
    return dict(said)
