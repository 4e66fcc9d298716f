"""How decisions and results look in MCP. Denials: one sentence for the model, an envelope in _meta for machines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from mcp.shared.exceptions import MCPError

from connectors.contract import Risk
from msplex.decision.denials import remedy_of
from msplex.decision.explain import Explanation
from msplex.decision.gates import PERMISSIONS
from msplex.decision.snapshot import OfferedTool
from msplex.decision.verdicts import WHOLE_DOOR, Code, Refusal
from msplex.gateway.calls import CUSTOMER, Begun, DoorClosed
from msplex.gateway.repeating import Earlier

ENVELOPE = "io.msplex/refusal"
REPEATED = "io.msplex/repeated"
EXPLANATION = "io.msplex/explanation"
SCOPES = "io.msplex/scopes"
SEP_2643 = "SEP-2643"
AUTHORIZATION = "io.modelcontextprotocol/authorization"
INVALID_PARAMS = -32602
# Outside the ranges that JSON-RPC and MCP reserve; the HTTP status says the same.
DOOR_CLOSED = 403
UNAUTHORIZED = 401
UNAVAILABLE = 503
FRESHNESS = {"ttlMs": 0, "cacheScope": "private"}

_CUSTOMER_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "description": "Key or id of the one customer this call is for. Needed unless your access covers exactly one.",
}


def tool(offered: OfferedTool) -> dict[str, Any]:
    """A tool as tools/list shows it: the connector's own schema, and the customer beside it."""
    declared = offered.tool
    schema = dict(declared.input_schema)
    schema["properties"] = {CUSTOMER: _CUSTOMER_SCHEMA, **schema.get("properties", {})}
    reads = declared.risk is Risk.READ
    return {
        "name": offered.name,
        "title": declared.title,
        "description": f"{declared.description} ({offered.instance.name})",
        "inputSchema": schema,
        "outputSchema": declared.output_schema,
        "annotations": {
            "readOnlyHint": reads,
            "destructiveHint": declared.risk is Risk.DESTRUCTIVE,
            "idempotentHint": reads,
            "openWorldHint": True,
        },
    }


@dataclass(frozen=True, slots=True)
class Page:
    """Of a list of tools; `cursor` where it goes on."""

    tools: Sequence[OfferedTool]
    cursor: str | None = None

    @property
    def rest(self) -> dict[str, Any]:
        """Another caller's list differs, and a right withdrawn must be gone at once: never shared, always stale."""
        return {**FRESHNESS, **({"nextCursor": self.cursor} if self.cursor else {})}


def listed(page: Page) -> dict[str, Any]:
    return {"tools": [tool(each) for each in page.tools], **page.rest}


def envelope(gate: str, refusal: Refusal, call_id: object | None = None) -> dict[str, Any]:
    fields = {
        "gate": gate,
        "code": str(refusal.code),
        "retryable": refusal.retryable,
        "retry_after": refusal.retry_after,
        "approval_request": refusal.request_id and str(refusal.request_id),
        "call_id": call_id and str(call_id),
        "remedy": remedy_of(refusal.code),
        "link": call_id and f"{settings.PUBLIC_URL}/calls/{call_id}/",
    }
    return {key: value for key, value in fields.items() if value is not None}


_STATUS: dict[str, int] = {Code.PRINCIPAL_REFUSED: UNAUTHORIZED, Code.UNAVAILABLE: UNAVAILABLE, Code.BUSY: UNAVAILABLE}


def door_closed(closed: DoorClosed, call_id: UUID | None = None) -> MCPError:
    code = _STATUS.get(closed.refusal.code, DOOR_CLOSED)
    return MCPError(code, closed.refusal.message, {ENVELOPE: envelope(closed.gate, closed.refusal, call_id)})


def refused(begun: Begun) -> dict[str, Any]:
    """Raises for what concerns the whole door, and for tools that the caller may not know of."""
    decision, refusal = begun.decision, begun.decision.refusal
    if refusal is None:
        raise LookupError("not refused")
    if refusal.code in WHOLE_DOOR:
        raise door_closed(DoorClosed(decision.gate, refusal), begun.call_id)
    if decision.hidden:
        raise MCPError(INVALID_PARAMS, "Unknown tool")
    if refusal.code == Code.INSUFFICIENT_SCOPE:
        raise MCPError(DOOR_CLOSED, refusal.message, _scopes_needed(begun, refusal))
    return failed(decision.gate, refusal, begun)


def _scopes_needed(begun: Begun, refusal: Refusal) -> dict[str, Any]:
    """With what the token has, so that the client asks once for all of it (SEP-2350)."""
    tool = begun.decision.resolved.tool
    needed = {*begun.scopes, *([PERMISSIONS[tool.risk].value] if tool else [])}
    return {ENVELOPE: envelope(begun.decision.gate, refusal, begun.call_id), SCOPES: " ".join(sorted(needed))}


def failed(gate: str, refusal: Refusal, begun: Begun) -> dict[str, Any]:
    meta: dict[str, Any] = {ENVELOPE: envelope(gate, refusal, begun.call_id)}
    if begun.explained is not None:
        meta[EXPLANATION] = _explanation(begun.explained)
    if refusal.code == Code.APPROVAL_REQUIRED and SEP_2643 in settings.MCP_PROPOSALS:
        meta[AUTHORIZATION] = _authorization(refusal)
    text = f"{refusal.message} [{gate}: {refusal.code}]"
    return {"content": [{"type": "text", "text": text}], "isError": True, "_meta": meta}


def _authorization(refusal: Refusal) -> dict[str, Any]:
    """In the words of SEP-2643, which is a proposal. The id is a name and opens nothing."""
    said: dict[str, Any] = {"reason": "insufficient_authorization", "remediation": "available"}
    if refusal.request_id is not None:
        where = f"{settings.PUBLIC_URL}/approvals/{refusal.request_id}/"
        said["authorizationContextId"] = str(refusal.request_id)
        said["remediationHints"] = [{"type": "url", "url": where}]
    return said


def _explanation(said: Explanation) -> dict[str, Any]:
    """Every gate's verdict, and what would let the call pass: all of these changes together, and none too many."""
    return {
        "verdicts": [{"gate": each.gate.value, "ok": each.ok, "code": each.code} for each in said.verdicts],
        "changes": [{"gate": each.gate.value, "text": each.text} for each in said.changes],
        "complete": said.complete,
    }


def repeated(earlier: Earlier) -> dict[str, Any]:
    """What the call under the same name has answered; nothing was sent again."""
    result = succeeded(earlier.structured or {}, earlier.call_id)
    return {**result, "_meta": {**result["_meta"], REPEATED: True}}


def succeeded(structured: dict[str, Any], call_id: UUID | None) -> dict[str, Any]:
    text = json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": structured,
        "isError": False,
        "_meta": {"io.msplex/call_id": str(call_id)},
    }
