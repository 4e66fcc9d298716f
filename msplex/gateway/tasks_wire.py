"""Tasks as they look in MCP (2026-07-28, extension `io.modelcontextprotocol/tasks`, SEP-2663).

What a task is, and what has become of it, say the sources: here is who may ask, and in which words. A task of somebody
else is unknown, like one that never was.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY, RequestParams
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from msplex.gateway.callers import Caller

EXTENSION = "io.modelcontextprotocol/tasks"
INVALID_PARAMS = -32602
MOST_CHARACTERS = 200
UNKNOWN = "Unknown task"
NEEDED: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
Context = ServerRequestContext[Any, Any]


class Status(StrEnum):
    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    FAILED = "failed"  # of the protocol alone: a tool that failed, and people who said no, complete it
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Task:
    """`result`: of tools/call, once it is completed. `error`: code and message, once it has failed.

    `questions`: what the client is asked, while it waits for that. `kept`: how long it can be asked for, from its
    beginning.
    """

    id: str
    status: Status
    created_at: datetime
    changed_at: datetime
    kept: timedelta
    poll: timedelta
    message: str = ""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    questions: Mapping[str, Any] | None = None


class Source(Protocol):
    """Where tasks come from. Each method is for this caller alone: None, or False, for a task that is not theirs."""

    async def find(self, caller: Caller, task: str) -> Task | None: ...

    async def answer(self, caller: Caller, task: str, _given: Mapping[str, Any], /) -> bool: ...

    async def cancel(self, caller: Caller, task: str) -> bool: ...


class TaskParams(RequestParams):
    task_id: str


class UpdateParams(TaskParams):
    input_responses: dict[str, Any]


def created(task: Task) -> dict[str, Any]:
    """Instead of a result. Whoever reads it can ask for the task at once, at any process."""
    return {"resultType": "task", **_told(task), "_meta": {}}


def detailed(task: Task) -> dict[str, Any]:
    more = {"result": task.result, "error": task.error, "inputRequests": task.questions}
    return {"resultType": "complete", **_told(task), **{name: said for name, said in more.items() if said is not None}}


def _told(task: Task) -> dict[str, Any]:
    said = {"statusMessage": task.message} if task.message else {}
    return {
        "taskId": task.id,
        "status": task.status.value,
        **said,
        "createdAt": _instant(task.created_at),
        "lastUpdatedAt": _instant(max(task.changed_at, task.created_at)),
        "ttlMs": _milliseconds(task.kept),
        "pollIntervalMs": _milliseconds(task.poll),
    }


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def add_tasks(server: Server[Any], sources: Sequence[Source], caller_of: Callable[[Context], Caller]) -> None:
    """tasks/get, tasks/update and tasks/cancel. `sources` may grow afterwards."""

    async def get(context: Context, params: TaskParams) -> dict[str, Any]:
        caller = _admitted(context, params, caller_of)
        for source in sources:
            if task := await source.find(caller, params.task_id):
                return detailed(task)
        raise MCPError(INVALID_PARAMS, UNKNOWN)

    async def update(context: Context, params: UpdateParams) -> dict[str, Any]:
        caller = _admitted(context, params, caller_of)
        return await _done(source.answer(caller, params.task_id, params.input_responses) for source in sources)

    async def cancel(context: Context, params: TaskParams) -> dict[str, Any]:
        caller = _admitted(context, params, caller_of)
        return await _done(source.cancel(caller, params.task_id) for source in sources)

    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", TaskParams, get)
    server.add_request_handler("tasks/update", UpdateParams, update)
    server.add_request_handler("tasks/cancel", TaskParams, cancel)


async def _done(tried: Any) -> dict[str, Any]:
    """Acknowledged by the source that knows the task. What comes of it, tasks/get says."""
    attempts: list[Awaitable[bool]] = list(tried)
    known = [await attempt for attempt in attempts]
    if not any(known):
        raise MCPError(INVALID_PARAMS, UNKNOWN)
    return {"resultType": "complete"}


def _admitted(context: Context, params: TaskParams, caller_of: Callable[[Context], Caller]) -> Caller:
    """Of this revision, declaring the extension with this very request, and with its header true to its body."""
    if not is_modern(context):
        raise MCPError(METHOD_NOT_FOUND, "Method not found")
    if not takes_tasks(context):
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, f"This needs the extension {EXTENSION}.", NEEDED)
    named = context.request.headers.get(MCP_NAME_HEADER) if context.request else None
    if named is None or decode_header_value(named) != params.task_id:
        message = f"{MCP_NAME_HEADER} header does not match the request body's 'taskId' parameter"
        raise MCPError(HEADER_MISMATCH, message)
    if len(params.task_id) > MOST_CHARACTERS:
        raise MCPError(INVALID_PARAMS, UNKNOWN)
    return caller_of(context)


def is_modern(context: Context) -> bool:
    return context.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS


def takes_tasks(context: Context) -> bool:
    """Whether this very request has declared the extension, which the handshake revisions do not have."""
    capabilities = context.session.client_capabilities
    return is_modern(context) and capabilities is not None and EXTENSION in (capabilities.extensions or {})
