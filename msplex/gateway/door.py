"""/mcp and its metadata, as a plain ASGI application beside Django's models and settings."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ClientCapabilities
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from msplex.draining import SIGNAL, begin_draining
from msplex.gateway import auth
from msplex.gateway.answers import UNAUTHORIZED
from msplex.gateway.asgi_types import Message, Receive, Scope, Send
from msplex.gateway.asking import EVENTS, Events, answer_in, take
from msplex.gateway.callers import Caller
from msplex.gateway.confirming import can_ask
from msplex.gateway.express import Express, again, read
from msplex.gateway.handlers import Handlers
from msplex.gateway.replies import Replies
from msplex.gateway.server import SCOPE, make_server
from msplex.gateway.sessions import CAPABILITIES, begun, capabilities_of
from msplex.gateway.watched import Watched, parent_in, watched
from msplex.readiness import readiness
from tenants.bound import bound
from tenants.tracing import span

MAX_BODY = 1024 * 1024
_ACCEPTED, _BAD_REQUEST = 202, 400
EVENT_STREAM = b"text/event-stream"
PROGRESS, CALL = b'"progressToken"', b'"tools/call"'


class Application:
    """Checks the token, then answers or hands over to the SDK; its refusals of the whole door get their status here.

    The SDK serves twice: what may send notifications before its answer is a stream of events, everything else is JSON.
    """

    def __init__(self, make: Callable[[Handlers], Server[Any]] = make_server) -> None:
        self._replies = Replies()
        self._path = urlsplit(settings.GATEWAY_RESOURCE).path
        self.handlers = Handlers(self._replies)
        server, allowed = make(self.handlers), security()
        self._express = Express(self.handlers, server, allowed.allowed_hosts, MAX_BODY)
        self._plain, self._streaming = (_manager(server, allowed, json_response=plain) for plain in (True, False))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await watched(scope, send, lambda told: self._http(scope, receive, told))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        asyncio.get_running_loop().add_signal_handler(SIGNAL, self._drain)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._replies.running())
            await stack.enter_async_context(self.handlers.streams.running())
            await stack.enter_async_context(self._plain.run())
            await stack.enter_async_context(self._streaming.run())
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _drain(self) -> None:
        """Not ready from now on; streams end, so that their clients open them elsewhere; calls go on."""
        begin_draining()
        self.handlers.streams.end_all()

    async def _http(self, scope: Scope, receive: Receive, send: Watched) -> None:
        path = scope["path"]
        if path == "/healthz":
            send.route = "healthz"
            await _answer(send, 200, {"status": "ok"})
        elif path == "/readyz":
            send.route = "readyz"
            found = await asyncio.to_thread(readiness)
            await _answer(send, found.status, found.as_json())
        elif path in {auth.METADATA_PATH, auth.METADATA_PATH + self._path}:
            send.route = "metadata"
            await _answer(send, 200, auth.metadata(), (b"cache-control", b"public, max-age=3600"))
        elif path.rstrip("/") == self._path.rstrip("/"):
            send.route = "mcp"
            await self._mcp(scope, receive, send)
        else:
            await _answer(send, 404, {"error": "not_found"})

    async def _mcp(self, scope: Scope, receive: Receive, send: Watched) -> None:
        try:
            caller = auth.authenticate(scope["headers"], (scope.get("client") or ("",))[0])
        except auth.Unauthorized as refused:
            body = {"error": refused.code or "unauthorized", "error_description": refused.description}
            header = (b"www-authenticate", auth.challenge(refused.code, refused.description))
            await _answer(send, UNAUTHORIZED, body, header)
            return
        send.caller = caller
        known = {"request": caller.request_id, "tenant": caller.claims.tenant_id}
        with (
            bound(request=caller.request_id),
            span("mcp request", "SERVER", parent=parent_in(scope["headers"]), **known) as told,
        ):
            await self._answer(scope, receive, send, caller)
            told.set(status=send.status)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        unusual = await self._express.answer(scope, receive, send, caller)
        if unusual is None:
            return
        scope[SCOPE] = caller
        if scope["method"] == "GET":  # no revision has a stream here that nobody asked for
            await _answer(send, 405, {"error": "method_not_allowed"}, (b"allow", b"POST"))
            return
        if not is_modern(scope) and takes_events(scope) and _is_small(scope):
            await self._handshake(scope, unusual, send, caller)
            return
        manager = self._streaming if is_modern(scope) and takes_events(scope) else self._plain
        await manager.handle_request(scope, unusual, with_status(send))

    async def _handshake(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """The newest revision decides for itself when to stream; before it we do, and a client answers by requests."""
        body = await read(receive)
        source, told = again(body, receive), with_status(send)
        if not isinstance(body, bytes):
            await self._plain.handle_request(scope, source, told)
        elif message := answer_in(body):
            await self._plain.handle_request(scope, source, if_awaited(told, caller, message))
        elif self.streams(body, can := capabilities_of(scope, caller), caller):
            events = Events(told)
            scope[EVENTS], scope[CAPABILITIES] = events, can
            await self._streaming.handle_request(scope, source, events)
        else:
            await self._plain.handle_request(scope, source, begun(told, caller, body))

    def streams(self, body: bytes, can: ClientCapabilities | None, caller: Caller) -> bool:
        """Whether a request of a handshake revision is answered with a stream: for progress, or to ask a person."""
        return PROGRESS in body or (CALL in body and can_ask(can) and caller.claims.agent_session_id is not None)


def _manager(
    server: Server[Any], allowed: TransportSecuritySettings, *, json_response: bool
) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        server,
        json_response=json_response,
        stateless=True,
        security_settings=allowed,
        max_request_body_size=MAX_BODY,
    )


def _is_small(scope: Scope) -> bool:
    """Small enough to be read here; of what does not say so, the SDK counts the bytes."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= MAX_BODY


def takes_events(scope: Scope) -> bool:
    return any(EVENT_STREAM in value for name, value in scope["headers"] if name == b"accept")


def is_modern(scope: Scope) -> bool:
    """As the SDK decides it: every version but those of the handshake."""
    versions = [value.decode("latin-1") for name, value in scope["headers"] if name == b"mcp-protocol-version"]
    return bool(versions) and versions[0] not in HANDSHAKE_PROTOCOL_VERSIONS


def security() -> TransportSecuritySettings:
    """Of this deployment's names; while it is no production, also of pages on the same machine."""
    parts = urlsplit(settings.GATEWAY_RESOURCE)
    here = [] if settings.PRODUCTION else ["127.0.0.1:*", "localhost:*"]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[parts.netloc, *here],
        allowed_origins=[
            f"{parts.scheme}://{parts.netloc}",
            settings.PUBLIC_URL,
            *(f"http://{place}" for place in here),
        ],
    )


def if_awaited(send: Send, caller: Caller, message: Mapping[str, Any]) -> Send:
    """What the SDK would take is taken if somebody waits for it from this caller; else it is refused, whyever."""

    async def forward(start: Message) -> None:
        if start["type"] == "http.response.start" and start["status"] == _ACCEPTED:
            known = await asyncio.to_thread(take, caller, message)
            start = start if known else {**start, "status": _BAD_REQUEST}
        await send(start)

    return forward


def with_status(send: Send) -> Send:
    """A JSON-RPC error whose code is one of our HTTP statuses is answered with that status."""
    starts: list[Message] = []

    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            starts.append(message)  # held until the body shows what it is
            return
        if starts:
            await send(_start(starts.pop(), message))
        await send(message)

    return forward


def _start(start: Message, body: Message) -> Message:
    content = body.get("body", b"")
    if not content.startswith(b'{"') or b'"error"' not in content[:4096]:
        return start
    try:
        error = json.loads(content).get("error", {})
    except ValueError:
        return start
    status = auth.status_of(error.get("code"))
    if status is None:
        return start
    headers = [*start["headers"], *auth.challenge_for(status, error.get("data"))]
    return {**start, "status": status, "headers": headers}


async def _answer(send: Send, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    content = json.dumps(body).encode()
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": content})
