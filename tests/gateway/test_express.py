"""What the gateway answers by itself is what the SDK would have answered, and what is odd is left to the SDK."""

import copy
import dataclasses
import json
from typing import Any
from uuid import UUID

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError

from connectors.models import ConnectorInstance
from connectors.vendors.halopsa.connector import HALOPSA
from msplex.decision.snapshot import OfferedTool
from msplex.decision.verdicts import Code, Decision, Refusal, Resolved
from msplex.gateway import answers, express
from msplex.gateway.approving import UNTOLD, Told
from msplex.gateway.callers import Caller
from msplex.gateway.calls import Begun, DoorClosed
from msplex.gateway.door import MAX_BODY, security, with_status
from msplex.gateway.express import Express
from msplex.gateway.server import SCOPE, make_server
from msplex.gateway.tasks_found import running
from msplex.gateway.tasks_wire import EXTENSION, created
from tests.gateway.door import in_a_thread

BEGUN = Begun(UUID(int=7), UUID(int=8), Decision((), Resolved()))
STRUCTURED = {"notice": "n", "tickets": [{"id": 1, "text": 'Zürich \u2028 "x"', "none": None}], "count": 1}
LATER = Refusal(Code.RATE_LIMITED, "Slower.", retryable=True, retry_after=3)
CLOSED = DoorClosed("resolve_tenant", Refusal(Code.TENANT_SUSPENDED, "Suspended."))
AWAY = DoorClosed("dispatch", Refusal(Code.UNAVAILABLE, "Away.", True, 2))
OUT = DoorClosed("authenticate_principal", Refusal(Code.PRINCIPAL_REFUSED, "Out."))
ANSWERS: dict[str, Any] = {
    "halopsa_list_tickets": answers.succeeded(STRUCTURED, BEGUN),
    "halopsa_slow": answers.failed("check_quota", LATER, BEGUN),
    "halopsa_approve": answers.failed("check_approval", Refusal(Code.APPROVAL_REQUIRED, "Ask."), BEGUN),
    "halopsa_task": created(running(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))),
    "halopsa_none": MCPError(answers.INVALID_PARAMS, "Unknown tool"),
    "halopsa_closed": answers.door_closed(CLOSED),
    "halopsa_away": answers.door_closed(AWAY),
    "halopsa_out": answers.door_closed(OUT),
    "halopsa_scope": MCPError(403, "More.", {answers.SCOPES: "gateway:tool:read"}),
    "halopsa_broken": MCPError(-32603, "Internal error"),
}
CALLER = Caller(None)  # type: ignore[arg-type]
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
}


class Answering:
    """Behind the door: the same answers, whoever asks."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.tasks: list[Any] = []

    async def explain(self, *_: object) -> None:
        """Asked of the SDK alone."""

    async def tools(self, caller: Caller, cursor: str | None = None) -> answers.Page:
        assert (caller, cursor) == (CALLER, None)
        instance = ConnectorInstance(tenant_id=UUID(int=1), slug="halopsa", name="Halo", connector="halopsa")
        offered = [OfferedTool(f"halopsa_{tool.name}", instance, HALOPSA, tool) for tool in HALOPSA.tools]
        return answers.Page(offered, "more")

    async def call(
        self, caller: Caller, name: str, arguments: dict[str, Any], told: Told = UNTOLD, *_: object
    ) -> dict[str, Any]:
        assert caller is CALLER
        self.asked.append((name, arguments, told))
        answer = ANSWERS.get(name, ANSWERS["halopsa_none"])
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(answer)


def test_tools_of_the_same_name_are_told_apart() -> None:
    """Two tenants may have a tool of the same name at connections of the same name."""
    instance = ConnectorInstance(tenant_id=UUID(int=1), slug="mcp", name="MCP server", connector="mcp")
    mine = HALOPSA.tools[0]
    theirs = dataclasses.replace(mine, description="Only theirs.")

    texts = [express._tool(OfferedTool("mcp_list", instance, HALOPSA, tool)) for tool in (mine, theirs)]

    assert ["Only theirs." in text for text in texts] == [False, True]


@dataclasses.dataclass
class Sent:
    method: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def scope(self) -> dict[str, Any]:
        return {
            "type": "http", "http_version": "1.1", "method": self.method, "path": "/mcp", "raw_path": b"/mcp",
            "query_string": b"", "scheme": "http", "headers": self.headers, "client": ("127.0.0.1", 1), SCOPE: CALLER,
        }  # fmt: skip


def sent(method: str, params: dict[str, Any], **headers: str | None) -> Sent:
    params = {"_meta": META, **params}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    all_headers = {
        "host": "127.0.0.1:8001",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        **({"mcp-name": params["name"]} if "name" in params else {}),
        **headers,
    }
    return Sent("POST", [(k.encode(), v.encode()) for k, v in all_headers.items() if v is not None], body)


@dataclasses.dataclass
class Answer:
    status: int = 0
    headers: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    body: bytes = b""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")

    @property
    def told(self) -> tuple[int, bytes | None, Any]:
        content = json.loads(self.body) if self.body[:1] == b"{" else self.body
        return self.status, self.headers.get(b"www-authenticate"), content


def asked(request: Sent) -> tuple[Answer | None, Answer, list[Any]]:
    """What we answer by ourselves, if we do; what the SDK answers; what both asked for."""
    return in_a_thread(anyio.run, _asked, request)


async def _asked(request: Sent) -> tuple[Answer | None, Answer, list[Any]]:
    handlers = Answering()
    server = make_server(handlers)  # type: ignore[arg-type]
    express = Express(handlers, server, security().allowed_hosts, MAX_BODY)  # type: ignore[arg-type]
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, security_settings=security())
    ours, theirs = Answer(), Answer()
    async with manager.run():
        unusual = await express.answer(request.scope(), _receive(request), ours.send, CALLER)
        seen = list(handlers.asked)
        handlers.asked.clear()
        source = unusual or _receive(request)
        await manager.handle_request(request.scope(), source, with_status(theirs.send))
    return (None if unusual else ours), theirs, [seen, handlers.asked]


def _receive(request: Sent) -> Any:
    half = len(request.body) // 2
    waiting = [
        {"type": "http.request", "body": request.body[:half], "more_body": True},
        {"type": "http.request", "body": request.body[half:], "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return waiting.pop(0)

    return receive


@pytest.mark.parametrize("name", [*ANSWERS, "halopsa_other"])
def test_a_call_is_answered_as_by_the_sdk(name):
    ours, theirs, (by_us, by_them) = asked(sent("tools/call", {"name": name, "arguments": {"limit": 1}}))

    assert ours is not None
    assert ours.told == theirs.told
    assert ours.headers[b"content-type"] == theirs.headers[b"content-type"]
    assert by_us == by_them == [(name, {"limit": 1}, Told(can_ask=True))]


@pytest.mark.parametrize("elicitation", [{}, {"form": {}}, {"url": {}}, {"form": {}, "url": {}}, None])
def test_whether_a_client_can_ask_is_seen_as_by_the_sdk(elicitation):
    can = {} if elicitation is None else {"elicitation": elicitation}
    meta = META | {"io.modelcontextprotocol/clientCapabilities": can}

    ours, _, (by_us, by_them) = asked(sent("tools/call", {"name": "halopsa_slow", "arguments": {}, "_meta": meta}))

    assert ours is not None
    assert by_us == by_them
    assert by_us[0][2].can_ask is (elicitation is not None and elicitation != {"url": {}})


@pytest.mark.parametrize("extensions", [{}, {EXTENSION: {}}, {"x.example/y": {}}, None])
def test_what_a_client_can_do_is_seen_as_by_the_sdk(extensions):
    can = {} if extensions is None else {"extensions": extensions}
    meta = META | {"io.modelcontextprotocol/clientCapabilities": can}

    ours, theirs, (by_us, by_them) = asked(sent("tools/call", {"name": "halopsa_task", "arguments": {}, "_meta": meta}))

    assert ours is not None
    assert ours.told == theirs.told
    assert by_us == by_them
    assert by_us[0][2].takes_tasks is (EXTENSION in (extensions or {}))


def test_a_list_is_answered_as_by_the_sdk():
    ours, theirs, _ = asked(sent("tools/list", {}))

    assert ours is not None
    assert ours.told == theirs.told
    assert len(ours.told[2]["result"]["tools"]) == len(HALOPSA.tools)


ODD = {
    "another revision": {"mcp-protocol-version": "2025-11-25"},
    "no revision": {"mcp-protocol-version": None},
    "another method in the header": {"mcp-method": "tools/list"},
    "another name in the header": {"mcp-name": "halopsa_get_ticket"},
    "an encoded name": {"mcp-name": "=?base64?aGFsb3BzYV9saXN0X3RpY2tldHM=?="},
    "no name": {"mcp-name": None},
    "a mirrored argument": {"mcp-param-limit": "1"},
    "an origin": {"origin": "https://evil.example"},
    "another host": {"host": "evil.example"},
    "no json wanted": {"accept": "text/html"},
    "another media type": {"content-type": "text/plain"},
    "too long": {"content-length": str(MAX_BODY + 1)},
    "no length": {"content-length": None},
}


@pytest.mark.parametrize("headers", ODD.values(), ids=ODD)
def test_odd_headers_are_left_to_the_sdk(headers):
    ours, theirs, (by_us, _) = asked(sent("tools/call", {"name": "halopsa_list_tickets", "arguments": {}}, **headers))

    assert ours is None
    assert by_us == []
    assert theirs.status != 0


def test_a_header_that_comes_twice_is_left_to_the_sdk():
    request = sent("tools/call", {"name": "halopsa_list_tickets", "arguments": {}})
    request.headers.append((b"mcp-name", b"halopsa_list_tickets"))

    ours, theirs, _ = asked(request)

    assert ours is None
    assert theirs.status == 400


PLAIN = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 100_000,
    {**PLAIN},
    {**PLAIN, "params": []},
    {**PLAIN, "params": {"_meta": META}},
    {**PLAIN, "params": {"_meta": META, "name": 5, "arguments": {}}},
    {**PLAIN, "params": {"_meta": META, "name": "halopsa_list_tickets", "arguments": []}},
    {**PLAIN, "params": {"_meta": META, "name": "halopsa_list_tickets", "arguments": None}},
    {**PLAIN, "params": {"name": "halopsa_list_tickets", "arguments": {}}},
    {**PLAIN, "params": {"_meta": {**META, "progressToken": 1}, "name": "halopsa_list_tickets", "arguments": {}}},
    {**PLAIN, "params": {"_meta": {**META, "io.modelcontextprotocol/clientCapabilities": 1}, "name": "x"}},
    {**PLAIN, "id": None, "params": {"_meta": META, "name": "halopsa_list_tickets"}},
    {**PLAIN, "id": True, "params": {"_meta": META, "name": "halopsa_list_tickets"}},
    {**PLAIN, "id": 1.5, "params": {"_meta": META, "name": "halopsa_list_tickets"}},
    {**PLAIN, "jsonrpc": "1.0", "params": {"_meta": META, "name": "halopsa_list_tickets"}},
    {"jsonrpc": "2.0", "method": "tools/call", "params": {"_meta": META, "name": "halopsa_list_tickets"}},
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_odd_bodies_are_left_to_the_sdk(body):
    request = sent("tools/call", {"name": "halopsa_list_tickets", "arguments": {}})
    request.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    ours, theirs, (by_us, _) = asked(request)

    assert ours is None
    assert by_us == []
    assert theirs.status != 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from([*ANSWERS, "=?base64?eA==?=", "ünknown", ""]) | st.text(max_size=5)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "_meta": st.just(META) | JSON,
        "name": NAMES | JSON,
        "arguments": st.dictionaries(st.text(max_size=5), JSON, max_size=3) | JSON,
        "cursor": JSON,
    },
)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers() | st.text(max_size=5) | JSON},
    optional={"method": st.sampled_from(["tools/call", "tools/list"]) | st.text(max_size=5), "params": PARAMS | JSON},
)


@given(message=MESSAGES)
def test_whatever_we_answer_the_sdk_would_have_answered(message):
    """Headers say what the body says, as far as headers can."""
    request = sent("tools/call", {"name": "x"})
    params = message.get("params")
    headers = {b"mcp-method": message.get("method"), b"mcp-name": isinstance(params, dict) and params.get("name")}
    kept = [pair for pair in request.headers if pair[0] not in headers]
    said = [(key, value.encode("utf-8", "replace")) for key, value in headers.items() if isinstance(value, str)]
    request.headers, request.body = kept + said, json.dumps(message).encode()

    ours, theirs, (by_us, by_them) = asked(request)

    if ours is not None:
        assert ours.told == theirs.told
        assert by_us == by_them
