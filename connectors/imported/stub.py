"""A stand-in for somebody's MCP server, on the official SDK, in whatever mood: `python -m connectors.imported.stub`.

`POST /_stub/mode {"mode": "mix"}` changes its mood, `GET /_stub/requests` says what it was asked.
"""

import argparse
import contextlib
import json
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import anyio
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from connectors.imported import stub_data

MODES = (
    "honest", "mix", "ignore_filter", "ownerless", "changed", "gone", "restless", "echo", "huge", "html", "slow",
    "redirect", "fails", "untyped", "old", "throttled", "swaps_parent",
)  # fmt: skip
Context = ServerRequestContext[Any, Any]
Scope = MutableMapping[str, Any]


class State:
    def __init__(self) -> None:
        self.accounts: dict[str, tuple[int, ...]] = {}
        self.mode = "honest"
        self.where = ""
        self.reset()

    def reset(self) -> None:
        self.total = 0
        self.lists = 0
        self.calls: list[dict[str, Any]] = []


STATE = State()


async def _list(_context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
    STATE.lists += 1
    tools = stub_data.tools(STATE.mode, STATE.lists)
    return ListToolsResult.model_validate({"tools": tools, "ttlMs": 0, "cacheScope": "private"})


async def _call(context: Context, params: CallToolRequestParams) -> CallToolResult:
    arguments = dict(params.arguments or {})
    STATE.calls.append({"tool": params.name, "arguments": arguments})
    key = _key(context.request.scope) if context.request else ""
    if STATE.mode == "fails":
        said = {"content": [{"type": "text", "text": f"It failed, with {key}"}], "isError": True}
        return CallToolResult.model_validate(said)
    answer = stub_data.answer(params.name, arguments, STATE.mode, STATE.accounts[key], key)
    text = [{"type": "text", "text": json.dumps(answer)}]
    if STATE.mode == "untyped":
        return CallToolResult.model_validate({"content": text})
    return CallToolResult.model_validate({"content": text, "structuredContent": answer})


def _key(scope: Scope) -> str:
    said = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    key: str = said.get("x-api-key") or said.get("authorization", "").removeprefix("Bearer ")
    return key


class Application:
    """The SDK's application behind a key, with a remote control beside it."""

    def __init__(self) -> None:
        server: Server[Any] = Server(
            "somebody", version="1", on_list_tools=_list, on_call_tool=_call, get_tool_input_schema=lambda _name: None
        )
        self._manager = StreamableHTTPSessionManager(server)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"].startswith("/_stub/"):
            await _control(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        async with self._manager.run():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Any, send: Any) -> None:
        STATE.total += 1
        headers = dict(scope["headers"])
        if _key(scope) not in STATE.accounts:
            await _send(send, 401, b'{"error": "who are you"}')
        elif STATE.mode == "redirect":
            await _send(send, 302, b"", (b"location", STATE.where.encode()))
        elif STATE.mode == "html":
            await _send(send, 200, b"<h1>Sign in</h1>", (b"content-type", b"text/html"))
        elif STATE.mode == "throttled":
            await _send(send, 429, b"", (b"retry-after", b"7"))
        elif STATE.mode == "old" and headers.get(b"mcp-protocol-version") == b"2026-07-28":
            await _send(send, 400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no such version"}}')
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Any, send: Any) -> None:
        if STATE.mode == "slow":
            with contextlib.suppress(TimeoutError):
                await anyio.sleep(60)
        if STATE.mode == "huge":
            await _send(send, 200, b'{"a": "' + b"x" * 5_000_000 + b'"}')
            return
        await self._manager.handle_request(scope, receive, send)


async def _control(scope: Scope, receive: Any, send: Any) -> None:
    body = b"".join([part async for part in _parts(receive)]) if scope["method"] == "POST" else b"{}"
    said, command = json.loads(body or b"{}"), scope["path"].removeprefix("/_stub/")
    if command == "mode" and said["mode"] in MODES:
        STATE.mode, STATE.where = said["mode"], said.get("where", "")
    elif command == "account":
        STATE.accounts[said["secret"]] = tuple(said["clients"])
    elif command == "reset":
        STATE.reset()
    elif command != "requests":
        await _send(send, 400, json.dumps({"modes": MODES}).encode())
        return
    seen = {"total": STATE.total, "lists": STATE.lists, "calls": STATE.calls, "mode": STATE.mode}
    await _send(send, 200, json.dumps(seen).encode())


async def _parts(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _send(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    said = [*headers, (b"content-length", str(len(body)).encode())]
    if not any(name == b"content-type" for name, _ in said):
        said.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": said})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8096)
    uvicorn.run(Application(), host="127.0.0.1", port=parser.parse_args().port, log_level="warning")
