"""`io.msplex/explain`: what a call of the caller's own met at each gate, at that time, from its record.

For agents whose refusal is long ago; the record is kept as long as the call. What the gates would say of another past
moment is for those who read the tool policy (msplex.decision.as_of, in the portal and the API).
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import RequestParams

from connectors.models import ToolCall
from msplex.decision.decide import may_know
from msplex.decision.denials import remedy_of
from msplex.gateway.callers import Caller, Seen
from msplex.gateway.tasks_found import admitted
from msplex.gateway.tasks_wire import INVALID_PARAMS
from tenants.isolation.context import acting_for

METHOD = "io.msplex/explain"
UNKNOWN = "Unknown call"
Context = ServerRequestContext[Any, Any]


class ExplainParams(RequestParams):
    call_id: str


def add_explain(server: Server[Any], in_thread: Callable[..., Any], caller_of: Callable[[Context], Caller]) -> None:
    async def explain(context: Context, params: ExplainParams) -> dict[str, Any]:
        found = await in_thread(explained, caller_of(context), params.call_id)
        if found is None:
            raise MCPError(INVALID_PARAMS, UNKNOWN)
        return {"resultType": "complete", **found}

    server.extensions[METHOD] = {}
    server.add_request_handler(METHOD, ExplainParams, explain)


def explained(caller: Caller, call_id: str) -> dict[str, Any] | None:
    """None of a call that is not the caller's, or whose tool it may not know of."""
    try:
        id_ = UUID(call_id)
    except ValueError:
        return None
    seen, claims = admitted(caller), caller.claims
    with acting_for(seen.context), transaction.atomic():
        own = ToolCall.objects.filter(principal_id=claims.principal_id, agent_session_id=claims.agent_session_id)
        call = own.select_related("instance").filter(id=id_).first()
    if call is None or not _known(seen, call):
        return None
    remedy = {"remedy": remedy_of(call.code)} if call.code else {}
    verdicts = [{name: each.get(name) for name in ("gate", "ok", "code", "detail")} for each in call.verdicts]
    at = call.created_at.isoformat(timespec="milliseconds")
    return {"callId": str(call.id), "at": at, "state": call.state, "code": call.code, "verdicts": verdicts, **remedy}


def _known(seen: Seen, call: ToolCall) -> bool:
    """A tool that no role of the caller could ever run does not exist for it, whatever its calls have met."""
    if call.instance is None or seen.principal is None:
        return False
    offered = seen.snapshot.tools.get(f"{call.instance.slug}_{call.tool}")
    return offered is not None and may_know(seen.principal, offered.tool.risk)
