"""The gateway's process: /mcp and its metadata, as a plain ASGI application beside Django's models and settings."""

import contextlib
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
django.setup()

from django.conf import settings  # noqa: E402 - the apps come first
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: E402
from mcp.server.transport_security import TransportSecuritySettings  # noqa: E402

from msplex.gateway import auth  # noqa: E402
from msplex.gateway.answers import SCOPES, UNAUTHORIZED  # noqa: E402
from msplex.gateway.replies import Replies  # noqa: E402
from msplex.gateway.server import SCOPE, make_server  # noqa: E402
from msplex.guard import check_process  # noqa: E402

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
MAX_BODY = 1024 * 1024


class Application:
    """Checks the token, then hands over to the SDK; refusals of the whole door get their HTTP status here."""

    def __init__(self) -> None:
        self._replies = Replies()
        self._path = urlsplit(settings.GATEWAY_RESOURCE).path
        self._manager = StreamableHTTPSessionManager(
            make_server(self._replies),
            json_response=True,
            stateless=True,
            security_settings=_security(),
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
        scope[SCOPE] = caller
        await self._manager.handle_request(scope, receive, _with_status(send))


def _security() -> TransportSecuritySettings:
    parts = urlsplit(settings.GATEWAY_RESOURCE)
    hosts = [parts.netloc] if settings.PRODUCTION else [parts.netloc, "127.0.0.1:*", "localhost:*"]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"{parts.scheme}://{parts.netloc}", settings.PUBLIC_URL],
    )


def _with_status(send: Send) -> Send:
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
    code = error.get("code")
    if code not in {401, 403, 503}:
        return start
    challenge = _challenge(code, (error.get("data") or {}).get(SCOPES))
    headers = [(b"www-authenticate", challenge)] if challenge else []
    return {**start, "status": code, "headers": [*start["headers"], *headers]}


def _challenge(code: int, scopes: str | None) -> bytes:
    if code == UNAUTHORIZED:
        return auth.challenge("invalid_token", "The token is not accepted any more.")
    return auth.challenge("insufficient_scope", "The tool needs more than the token has.", scopes) if scopes else b""


async def _answer(send: Send, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    content = json.dumps(body).encode()
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": content})


check_process()
application = Application()
