"""The process of a stand-in: its routes, and a remote control under /_stub/."""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from connectors.stub.modes import DISHONEST, MODES, canned, echoed, spoiled
from connectors.stub.replies import Reply
from connectors.stub.world import Account, Ask, Route, State, Vendor

_CACHE_ENTRIES = 512
_KEPT_QUERIES = 50
_NOBODY = Account("", ())


def give_token(ask: Ask, name: str, secret: str) -> Reply:
    """A new access token (RFC 6749, 5.1) for an account that gives its secret."""
    account = ask.state.accounts.get(name)
    if account is None or account.secret != secret:
        return Reply.json({"error": "invalid_client"}, status=400)
    token = "stub-token-" + secrets.token_urlsafe(24)
    ask.state.tokens[token] = name
    return Reply.json({"access_token": token, "token_type": "Bearer", "expires_in": ask.state.token_seconds})


@dataclass(slots=True)
class Stub:
    """An ASGI application."""

    vendor: Vendor
    state: State

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            return
        reply = await self._answer(scope, body)
        headers = [(b"content-type", reply.content_type.encode()), *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Any, body: bytes) -> Reply:
        path = scope["path"]
        if path.startswith("/_stub/"):
            return self._control(path.removeprefix("/_stub/"), body)
        self.state.counts[path] += 1
        self.state.received.append(_raw(scope, body))
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        ask = Ask(
            scope["method"], path, headers.get("host", ""), _last(parse_qs(query)), _parsed(headers, body),
            self.state, _NOBODY,
        )  # fmt: skip
        route, parts = self._route(ask)
        if route and route.is_open:
            self.state.sign_ins += route.is_sign_in
            self.state.others += not route.is_sign_in
            value = route.answer(ask.with_parts(parts, honest=True))
            return value if isinstance(value, Reply) else Reply.json(value)
        return await self._api(ask, route, parts, headers, query)

    def _route(self, ask: Ask) -> tuple[Route | None, Mapping[str, str]]:
        for route in self.vendor.routes:
            parts = route.match(ask.method, ask.path)
            if parts is not None:
                return route, parts
        return None, {}

    async def _api(
        self, ask: Ask, route: Route | None, parts: Mapping[str, str], headers: Mapping[str, str], query: str
    ) -> Reply:
        shown = headers.get("authorization") or headers.get("x-api-key") or ""
        self.state.authorizations[shown] += 1
        self.state.queries.append(query)
        del self.state.queries[:-_KEPT_QUERIES]
        name = self.vendor.identify(headers, self.state)
        if name is None:
            return self.vendor.unknown
        if self.state.delay:
            await asyncio.sleep(self.state.delay)
        if route is None:
            return self.vendor.missing
        if ask.method != "GET":
            self.state.changes.append({"method": ask.method, "path": ask.path, "body": ask.body})
            self.state.cache.clear()
            return self._built(ask, route, parts, name, shown)
        key = (self.state.mode, self.state.encoding, name, shown, ask.path, query)
        if key not in self.state.cache:
            if len(self.state.cache) >= _CACHE_ENTRIES:
                self.state.cache.clear()
            self.state.cache[key] = self._built(ask, route, parts, name, shown)
        return self.state.cache[key]

    def _built(self, ask: Ask, route: Route, parts: Mapping[str, str], name: str, shown: str) -> Reply:
        mode = self.state.mode if ask.method == "GET" else self.state.on_changes or self.state.mode
        account = self.state.accounts[name]
        reply = canned(mode, account.secret, self.vendor)
        if reply is not None:
            return reply
        asked = Ask(ask.method, ask.path, ask.host, ask.query, ask.body, self.state, account)
        value = route.answer(asked.with_parts(parts, honest=mode not in DISHONEST))
        if isinstance(value, Reply):
            return value
        value = spoiled(value, mode=mode, route=route)
        if value is None:
            return self.vendor.missing
        if mode == "echo_key":
            canary = shown.removeprefix("Bearer ") if self.state.encoding == "token" else account.secret
            value = echoed(value, route, canary, self.state.encoding)
        return Reply.json(value, status=route.status, headers=route.headers)

    def _control(self, command: str, body: bytes) -> Reply:
        state, given = self.state, json.loads(body or b"{}")
        if command == "received":
            return Reply(200, b"\n".join(state.received), "application/octet-stream")
        if command == "requests":
            return Reply.json(self._seen())
        if command == "mode" and given.get("mode") in MODES:
            state.mode, state.encoding = given["mode"], given.get("encoding", "plain")
            state.delay = float(given.get("delay", 3.0 if state.mode == "slow" else 0.0))
            state.token_seconds = int(given.get("token_seconds", 3600))
            state.on_changes = given.get("on_changes", "")
        elif command == "account":
            state.accounts[given["client_id"]] = Account(given["secret"], tuple(given["clients"]))
        elif command == "revoke":
            state.tokens.clear()
        elif command == "reset":
            state.forget()
        else:
            return Reply.json({"error": "unknown command or mode", "modes": list(MODES)}, status=400)
        return Reply.json({"mode": state.mode, "delay": state.delay})

    def _seen(self) -> dict[str, Any]:
        state = self.state
        total = sum(state.counts.values())
        return {
            "mode": state.mode,
            "total": total,
            "api": total - state.sign_ins - state.others,
            "token": state.sign_ins,
            "by_path": dict(state.counts),
            "authorizations": dict(state.authorizations),
            "queries": state.queries,
            "changes": state.changes,
        }


async def _body(receive: Any) -> bytes | None:
    """None: whoever asked was gone before all of it was here, and has asked for nothing."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _raw(scope: Any, body: bytes) -> bytes:
    head = [f"{scope['method']} {scope['path']}".encode(), scope["query_string"]]
    return b"\n".join([*head, *(b": ".join(header) for header in scope["headers"]), body])


def _parsed(headers: Mapping[str, str], body: bytes) -> Any:
    if "form" in headers.get("content-type", ""):
        return _last(parse_qs(body.decode()))
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _last(values: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: found[-1] for name, found in values.items()}


async def _serve(stub: Stub, port: int) -> None:
    server = Server(stub, port=port, interface=Interfaces.ASGINL, log_level=LogLevels.error, websockets=False)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


def main(vendor: Vendor) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {vendor.module}")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--mode", choices=MODES, default="honest")
    options = parser.parse_args()
    stub = Stub(vendor, State(dict(vendor.accounts), mode=options.mode))
    print(f"stub {vendor.name} on http://127.0.0.1:{options.port} ({options.mode})", flush=True)  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(stub, options.port))
    # The server's own threads do not expect the interpreter to be taken apart around them.
    os._exit(0)
