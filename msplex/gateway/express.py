"""The requests that agents send all the time, answered without the SDK's machinery, which costs more than the call.

Only what is plain in every respect: tools/list and tools/call of the newest revision, with headers that say what the
body says. Whatever is out of the ordinary is left to the SDK, untouched; tests hold that both give the same answer.
"""

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PARAM_HEADER_PREFIX,
    X_MCP_HEADER_KEY,
    InboundModernRoute,
    classify_inbound_request,
)
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    ClientCapabilities,
    methods,
)
from pydantic import ValidationError

from connectors.contract import Tool
from msplex.decision.snapshot import OfferedTool
from msplex.gateway import answers, auth
from msplex.gateway.approving import UNTOLD, Told
from msplex.gateway.asgi_types import Message, Receive, Scope, Send
from msplex.gateway.callers import Caller
from msplex.gateway.confirming import can_ask, sealed
from msplex.gateway.handlers import Handlers
from msplex.gateway.server import SCOPE, input_schema, sealed_state
from msplex.gateway.tasks_wire import EXTENSION

T = TypeVar("T")

VERSION = "2026-07-28"
LIST, CALL = "tools/list", "tools/call"
_PARAMETERS = {LIST: {"_meta"}, CALL: {"_meta", "name", "arguments"}}
_ENVELOPE = {PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY}
_MIRRORED = MCP_PARAM_HEADER_PREFIX.lower().encode()
_LONGEST_ENVELOPE = 4096
_OK = 200


class Express:
    """`hosts`: the values of Host that are ours, as the SDK is told; one that ends with `:*` is for any port."""

    def __init__(self, handlers: Handlers, server: Server[Any], hosts: list[str], most_bytes: int) -> None:
        self._handlers = handlers
        self._stamp = {SERVER_INFO_META_KEY: server.server_info_stamp}
        self._hosts = hosts
        self._most_bytes = most_bytes
        self._boundary = sealed_state()

    async def answer(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> Receive | None:
        """None when it was answered. Else where the SDK is to read the request from."""
        headers = self._plain(scope)
        if headers is None:
            return receive
        body = await read(receive)
        if isinstance(body, Cut):
            return again(body, receive)
        request = _plain_request(body, headers)
        if request is None:
            return again(body, receive)
        if request["method"] == LIST:  # nothing that could be cancelled, or would be for nothing
            await _send(send, *await self._answered(request, caller))
            return None
        with contextlib.suppress(Gone):
            await _send(send, *await while_there(self._answered(request, caller), receive))
        return None

    def _plain(self, scope: Scope) -> dict[bytes, bytes] | None:
        """Its headers, if nothing about them needs a second look."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers or name.startswith(_MIRRORED):
                return None
            headers[name] = value
        length = headers.get(b"content-length", b"")
        plain = (
            scope["method"] == "POST"
            and headers.get(b"mcp-protocol-version") == VERSION.encode()
            and headers.get(b"content-type") == b"application/json"
            and b"origin" not in headers
            and length.isdigit()
            and int(length) <= self._most_bytes
            and _takes_json(headers.get(b"accept", b""))
            and self._is_host(headers.get(b"host", b"").decode("latin-1"))
        )
        return headers if plain else None

    def _is_host(self, host: str) -> bool:
        return any(host == known or (known.endswith(":*") and host.startswith(known[:-1])) for known in self._hosts)

    async def _answered(self, request: Mapping[str, Any], caller: Caller) -> tuple[int, bytes, list[Any]]:
        """Status, body and more headers."""
        try:
            if request["method"] == LIST:
                return _OK, self._listed(request, await self._handlers.tools(caller)), []
            params = request["params"]
            arguments, told = params.get("arguments") or {}, _told(params["_meta"])
            result = await self._handlers.call(caller, params["name"], arguments, told)
            if result.get("requestState"):
                result = await sealed(self._boundary, {SCOPE: caller}, params, result)
        except MCPError as error:
            return _refused(request, error)
        return _OK, self._result(request, {**result, "_meta": {**result["_meta"], **self._stamp}}), []

    def _result(self, request: Mapping[str, Any], result: Mapping[str, Any]) -> bytes:
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"resultType": "complete", **result}}
        return _text(answer).encode()

    def _listed(self, request: Mapping[str, Any], page: answers.Page) -> bytes:
        """Composed of texts that are kept: what a tool is made of does not change, nor does how it looks."""
        tools = ",".join(map(_tool, page.tools))
        rest = {**page.rest, "resultType": "complete", "_meta": self._stamp}
        head = f'{{"jsonrpc":"2.0","id":{json.dumps(request["id"])},"result":{{"tools":[{tools}],'
        return f"{head}{_text(rest)[1:]}}}".encode()


class Gone(Exception):
    """The client has left; what was done for it was told so."""


async def while_there(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """What the work comes to. It is cancelled when the client leaves before: nobody reads the answer any more."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        raise Gone
    finally:
        leaving.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Cut(dict[str, Any]):
    """A message that does not end the body as one should."""


async def read(receive: Receive) -> bytes | Cut:
    """The whole body of a request."""
    message = await receive()
    if message["type"] != "http.request":
        return Cut(message)
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        if message["type"] != "http.request":
            return Cut(message)
        parts.append(message.get("body", b""))
    return b"".join(parts)


def again(body: bytes | Cut, receive: Receive) -> Receive:
    """What was read, to be read once more, and then what follows."""
    waiting = [body]

    async def replay() -> Message:
        if not waiting:
            return await receive()
        first = waiting.pop()
        return first if isinstance(first, Cut) else {"type": "http.request", "body": first, "more_body": False}

    return replay


@lru_cache(maxsize=256)
def _takes_json(accept: bytes) -> bool:
    kinds = [kind.partition(b";")[0].strip().lower() for kind in accept.split(b",")]
    return b"application/json" in kinds


def _plain_request(body: bytes, headers: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict) or request.keys() != {"jsonrpc", "id", "method", "params"}:
        return None
    method, params = request["method"], request["params"]
    plain = (
        request["jsonrpc"] == "2.0"
        and type(request["id"]) in {int, str}
        and method in {LIST, CALL}
        and headers.get(b"mcp-method") == method.encode()
        and isinstance(params, dict)
        and params.keys() <= _PARAMETERS[method]
        and _is_plain_envelope(params.get("_meta"))
        and (method == LIST or _is_plain_call(params, headers.get(b"mcp-name", b"")))
    )
    return request if plain else None


def _is_plain_call(params: Mapping[str, Any], named: bytes) -> bool:
    name = params.get("name")
    if not isinstance(name, str) or not isinstance(params.get("arguments", {}), dict):
        return False
    return name.isascii() and name.encode() == named and not name.startswith("=?") and not _is_mirrored(name)


@lru_cache(maxsize=1024)
def _is_mirrored(name: str) -> bool:
    """Whether the tool has arguments that headers must repeat."""
    return X_MCP_HEADER_KEY in json.dumps(input_schema(name))


def _is_plain_envelope(meta: Any) -> bool:
    """A client sends the same one each time, so the SDK looks at it once."""
    if not isinstance(meta, dict) or not meta.keys() <= _ENVELOPE:
        return False
    text = json.dumps(meta)
    return len(text) <= _LONGEST_ENVELOPE and _is_valid_envelope(text)


@lru_cache(maxsize=1024)
def _is_valid_envelope(text: str) -> bool:
    params = {"_meta": json.loads(text)}
    headers = {"mcp-protocol-version": VERSION, "mcp-method": LIST}
    route = classify_inbound_request({"method": LIST, "params": params}, headers=headers)
    try:
        methods.validate_client_request(LIST, VERSION, params)
    except ValidationError:
        return False
    return isinstance(route, InboundModernRoute)


def _told(meta: Mapping[str, Any]) -> Told:
    """Of a plain envelope: what its client can do that changes an answer."""
    declared = meta[CLIENT_CAPABILITIES_META_KEY]
    return _able(EXTENSION in (declared.get("extensions") or ()), json.dumps(declared.get("elicitation")))


@lru_cache(maxsize=64)
def _able(takes_tasks: bool, elicitation: str) -> Told:
    can = ClientCapabilities.model_validate({"elicitation": json.loads(elicitation)})
    told = Told(takes_tasks=takes_tasks, can_ask=can_ask(can))
    return UNTOLD if told == UNTOLD else told


_tools: dict[tuple[str, str, int], tuple[Tool, str]] = {}
_MOST_TOOLS = 20_000


def _tool(offered: OfferedTool) -> str:
    """By the tool itself, which is kept with the text: another tenant's of the same name is another one."""
    key = (offered.name, offered.instance.name, id(offered.tool))
    kept = _tools.get(key)
    if kept is None:
        if len(_tools) >= _MOST_TOOLS:
            _tools.clear()
        kept = _tools[key] = (offered.tool, _text(answers.tool(offered)))
    return kept[1]


def _refused(request: Mapping[str, Any], error: MCPError) -> tuple[int, bytes, list[Any]]:
    told = {"code": error.error.code, "message": error.error.message}
    if error.error.data is not None:
        told["data"] = error.error.data
    status = auth.status_of(error.error.code) or ERROR_CODE_HTTP_STATUS.get(error.error.code, _OK)
    answer = _text({"jsonrpc": "2.0", "id": request["id"], "error": told})
    return status, answer.encode(), auth.challenge_for(status, error.error.data)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


async def _send(send: Send, status: int, body: bytes, more: list[Any]) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
