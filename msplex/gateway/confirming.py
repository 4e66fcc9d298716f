"""Where the policy lets the caller say yes itself, its client is asked, and makes the same call again with the answer.

Multi round-trip requests (MCP 2026-07-28, SEP-2322): the question goes out with a sealed state, and nothing is kept
here. The state is good for ten minutes, for the same principal, agent session, tool and arguments; what it confirms is
done once, because the call holds the state's nonce as its name (msplex.gateway.repeating). A client of a handshake
revision is asked while its call waits (msplex.gateway.asking), and the state does not leave.
"""

import dataclasses
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

from mcp.server.request_state import RequestStateBoundary
from mcp_types import CallToolRequestParams, ClientCapabilities

from approvals.showing import shown_arguments
from msplex.decision.verdicts import Code
from msplex.gateway.approving import Told
from msplex.gateway.asking import NoAnswer
from msplex.gateway.callers import Caller
from msplex.gateway.calls import Begun

NAME, FIELD = "confirm", "confirm"
METHOD = "elicitation/create"
LONGEST = 600  # characters of the arguments in the question
_NONCE_BYTES = 16
_PREFIX = "confirmed:"
Call = Callable[[Told], Awaitable[dict[str, Any]]]
Ask = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
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
    requests = {NAME: {"method": METHOD, "params": asked}}
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
    return _answered(told, nonce, getattr(response, "action", ""), getattr(response, "content", None))


def _answered(told: Told, nonce: str, action: object, content: object) -> Told:
    """Everything that is not a yes is a no."""
    yes = action == "accept" and isinstance(content, dict) and content.get(FIELD) is True
    return dataclasses.replace(told, confirmed=_PREFIX + nonce if yes else None, declined=not yes)


async def call_and_ask(call: Call, told: Told, ask: Ask | None) -> dict[str, Any]:
    """Of a client that is asked in the middle of its call: the same call again, within one request, with its answer."""
    result = await call(told)
    if ask is None or result.get("resultType") != "input_required":
        return result
    asked = {key: value for key, value in result["inputRequests"][NAME]["params"].items() if key != "mode"}
    nonce, _ = json.loads(result["requestState"])
    try:
        said = (await ask(METHOD, asked)).get("result")
    except NoAnswer:
        said = None
    given = said if isinstance(said, dict) else {}
    return await call(_answered(told, nonce, given.get("action"), given.get("content")))


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
