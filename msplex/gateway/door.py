"""/mcp and its metadata, as a plain ASGI application beside Django's models and settings."""

import contextlib
import json
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from msplex.gateway import auth
from msplex.gateway.answers import UNAUTHORIZED
from msplex.gateway.express import Express, Message, Receive, Scope, Send
from msplex.gateway.handlers import Handlers
from msplex.gateway.replies import Replies
from msplex.gateway.server import SCOPE, make_server

MAX_BODY = 1024 * 1024


class Application:
    """Checks the token, then answers or hands over to the SDK; its refusals of the whole door get their status here."""

    def __init__(self) -> None:
        self._replies = Replies()
        self._path = urlsplit(settings.GATEWAY_RESOURCE).path
        handlers, allowed = Handlers(self._replies), security()
        server = make_server(handlers)
        self._express = Express(handlers, server, allowed.allowed_hosts, MAX_BODY)
        self._manager = StreamableHTTPSessionManager(
            server,
            json_response=True,
            stateless=True,
            security_settings=allowed,
            max_request_body_size=MAX_BODY,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._replies.running())
            await stack.enter_async_context(self._manager.run())
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in {"/healthz", "/readyz"}:
            await _answer(send, 200, {"status": "ok"})
        elif path in {auth.METADATA_PATH, auth.METADATA_PATH + self._path}:
            await _answer(send, 200, auth.metadata(), (b"cache-control", b"public, max-age=3600"))
        elif path.rstrip("/") == self._path.rstrip("/"):
            await self._mcp(scope, receive, send)
        else:
            await _answer(send, 404, {"error": "not_found"})

    async def _mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = auth.authenticate(scope["headers"], (scope.get("client") or ("",))[0])
        except auth.Unauthorized as refused:
            body = {"error": refused.code or "unauthorized", "error_description": refused.description}
            header = (b"www-authenticate", auth.challenge(refused.code, refused.description))
            await _answer(send, UNAUTHORIZED, body, header)
            return
        unusual = await self._express.answer(scope, receive, send, caller)
        if unusual:
            scope[SCOPE] = caller
            await self._manager.handle_request(scope, unusual, with_status(send))


def security() -> TransportSecuritySettings:
    parts = urlsplit(settings.GATEWAY_RESOURCE)
    hosts = [parts.netloc] if settings.PRODUCTION else [parts.netloc, "127.0.0.1:*", "localhost:*"]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"{parts.scheme}://{parts.netloc}", settings.PUBLIC_URL],
    )


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
