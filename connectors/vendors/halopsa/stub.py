"""A HaloPSA to develop and test against: its own process, honest until told otherwise.

python -m connectors.vendors.halopsa.stub --port 8090 [--mode honest]
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from connectors.vendors.halopsa import stub_data as world
from connectors.vendors.halopsa.stub_modes import MODES, Reply, rewrite

_CACHE_ENTRIES = 512


@dataclass(slots=True)
class State:
    mode: str = "honest"
    delay: float = 0.0
    encoding: str = "plain"
    token_seconds: int = 3600
    accounts: dict[str, world.Account] = field(default_factory=lambda: dict(world.CREDENTIALS))
    tokens: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    authorizations: Counter[str] = field(default_factory=Counter)
    queries: list[str] = field(default_factory=list)
    cache: dict[tuple[str, ...], Reply] = field(default_factory=dict)


STATE = State()


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    reply = await _answer(scope, await _body(receive))
    headers = [(b"content-type", reply.content_type.encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _answer(scope: Any, body: bytes) -> Reply:
    path = scope["path"]
    if path.startswith("/_stub/"):
        return _control(path.removeprefix("/_stub/"), body)
    STATE.counts[path] += 1
    if path == "/auth/token":
        return _token(parse_qs(body.decode()))
    if path == "/api/authinfo":
        host = dict(scope["headers"]).get(b"host", b"").decode()
        return Reply.json({"auth_url": f"http://{host}/auth", "tenant_id": "stub"})
    return await _api(path, scope["query_string"].decode(), dict(scope["headers"]).get(b"authorization", b"").decode())


async def _api(path: str, query: str, authorization: str) -> Reply:
    STATE.authorizations[authorization] += 1
    STATE.queries.append(query)
    del STATE.queries[:-50]
    account = STATE.tokens.get(authorization.removeprefix("Bearer "))
    if account is None:
        return Reply.json({"error": "invalid_token"}, status=401)
    if STATE.delay:
        await asyncio.sleep(STATE.delay)
    key = (STATE.mode, STATE.encoding, account, authorization, path, query)
    if key not in STATE.cache:
        if len(STATE.cache) >= _CACHE_ENTRIES:
            STATE.cache.clear()
        STATE.cache[key] = _built(path, query, account, authorization)
    return STATE.cache[key]


def _built(path: str, query: str, name: str, authorization: str) -> Reply:
    asked = {key: values[-1] for key, values in parse_qs(query).items()}
    account = STATE.accounts[name]
    honest = _route(path, asked, account)
    return rewrite(
        honest,
        mode=STATE.mode,
        path=path,
        asked=asked,
        canaries=(account.secret, authorization.removeprefix("Bearer ")),
        encoding=STATE.encoding,
    )


def _route(path: str, asked: dict[str, str], account: world.Account) -> Any:
    if path == "/api/Agent/me":
        return {"id": 3, "name": "MSPlex API", "isagent": True}
    if path == "/api/Client":
        clients = [{"id": client, "name": world.CLIENTS[client]} for client in account.clients]
        return {"record_count": len(clients), "clients": clients}
    if path == "/api/Tickets":
        return _tickets(asked, account)
    number = path.removeprefix("/api/Tickets/")
    row = world.detailed(int(number)) if number.isdigit() and path.startswith("/api/Tickets/") else None
    return row if row and row["client_id"] in account.clients else None


def _tickets(asked: dict[str, str], account: world.Account) -> dict[str, Any]:
    wanted = asked.get("client_id")
    rows = world.tickets_of(account.clients)
    rows = [row for row in rows if wanted is None or str(row["client_id"]) == wanted]
    if asked.get("open_only") == "true":
        rows = [row for row in rows if row["dateclosed"] is None]
    if asked.get("closed_only") == "true":
        rows = [row for row in rows if row["dateclosed"] is not None]
    if "search" in asked:
        rows = [row for row in rows if asked["search"].lower() in row["summary"].lower()]
    return paged(rows, asked)


def paged(rows: list[dict[str, Any]], asked: dict[str, str]) -> dict[str, Any]:
    size, number = int(asked.get("page_size", 50)), int(asked.get("page_no", 1))
    shown = rows[(number - 1) * size : number * size]
    return {"page_no": number, "page_size": size, "record_count": len(rows), "tickets": shown}


def _token(form: dict[str, list[str]]) -> Reply:
    name, secret = form.get("client_id", [""])[-1], form.get("client_secret", [""])[-1]
    account = STATE.accounts.get(name)
    if form.get("grant_type") != ["client_credentials"] or account is None or account.secret != secret:
        return Reply.json({"error": "invalid_client"}, status=400)
    token = "stub-token-" + secrets.token_urlsafe(24)
    STATE.tokens[token] = name
    return Reply.json({"access_token": token, "token_type": "Bearer", "expires_in": STATE.token_seconds})


def _control(command: str, body: bytes) -> Reply:
    given = json.loads(body or b"{}")
    if command == "requests":
        return Reply.json(_seen())
    if command == "mode" and given.get("mode") in MODES:
        STATE.mode, STATE.encoding = given["mode"], given.get("encoding", "plain")
        STATE.delay = float(given.get("delay", 3.0 if STATE.mode == "slow" else 0.0))
        STATE.token_seconds = int(given.get("token_seconds", 3600))
    elif command == "account":
        STATE.accounts[given["client_id"]] = world.Account(given["secret"], tuple(given["clients"]))
    elif command == "revoke":
        STATE.tokens.clear()
    elif command == "reset":
        STATE.counts.clear()
        STATE.authorizations.clear()
        STATE.queries.clear()
    else:
        return Reply.json({"error": "unknown command or mode", "modes": list(MODES)}, status=400)
    return Reply.json({"mode": STATE.mode, "delay": STATE.delay})


def _seen() -> dict[str, Any]:
    total = sum(STATE.counts.values())
    token, discovery = STATE.counts["/auth/token"], STATE.counts["/api/authinfo"]
    return {
        "mode": STATE.mode,
        "total": total,
        "api": total - token - discovery,
        "token": token,
        "by_path": dict(STATE.counts),
        "authorizations": dict(STATE.authorizations),
        "queries": STATE.queries,
    }


async def _serve(port: int) -> None:
    server = Server(
        application,
        port=port,
        interface=Interfaces.ASGINL,
        log_level=LogLevels.error,
        websockets=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m connectors.vendors.halopsa.stub")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--mode", choices=MODES, default="honest")
    options = parser.parse_args()
    STATE.mode = options.mode
    print(f"stub HaloPSA on http://127.0.0.1:{options.port} ({options.mode})", flush=True)  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.port))
    # The server's own threads do not expect the interpreter to be taken apart around them.
    os._exit(0)


if __name__ == "__main__":
    main()
