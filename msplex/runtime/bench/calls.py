"""Tool calls and lists through the gateway, against the same vendor call made directly, in the same run."""

import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.vendors.halopsa.stub_data import CREDENTIALS
from msplex.runtime.bench import cpu
from msplex.runtime.bench.measure import CLIENTS, Client, against, get, measure
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.world import World

VERSION = "2026-07-28"
LIST = "halopsa_list_tickets"
ROWS = 3  # about 2 KB at the vendor
SECONDS = 20.0  # so that what follows the log afterwards, every 15 seconds, is part of what a call costs
_OK = 200


def tools_call(world: World) -> dict[str, Any]:
    """The whole way: token, thirteen gates, audit before dispatch, broker, vendor, narrowing, outcome with usage."""
    call = mcp(world, "tools/call", {"name": LIST, "arguments": {"limit": ROWS}}, result="structuredContent")
    return _against_vendor(world, call)


def tools_list(world: World) -> dict[str, Any]:
    return _against_vendor(world, mcp(world, "tools/list", {}, result="tools"))


def denial(world: World) -> dict[str, Any]:
    """A call that is refused at gate 8, and recorded."""
    call = mcp(world, "tools/call", {"name": LIST, "arguments": {"limit": 0}}, result="content")
    return _against_vendor(world, call)


def _against_vendor(world: World, client: Client) -> dict[str, Any]:
    direct = get(*_vendor_request(world))
    figures: dict[str, Any] = {}
    for clients in CLIENTS:
        baseline = measure(direct, clients=clients)
        before = cpu.spent(world)
        measured: dict[str, Any] = dict(measure(client, clients=clients, seconds=SECONDS))
        spent = {name: seconds - before.get(name, 0.0) for name, seconds in cpu.spent(world).items()}
        thousands = (measured["calls"] or 1) / 1000
        measured["cpu_seconds_per_1000"] = round(sum(spent.values()) / thousands, 2)
        measured["cpu_by_process"] = {name: round(seconds / thousands, 2) for name, seconds in spent.items()}
        figures[f"{clients}_clients"] = {"gateway": against(measured, baseline), "vendor_directly": baseline}
    return figures


def _vendor_request(world: World) -> tuple[str, dict[str, str]]:
    client_id, account = "northwind-api", CREDENTIALS["northwind-api"]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": account.secret, "scope": "all"}
    body = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{world.vendor}/auth/token", body, timeout=10) as answer:  # noqa: S310
        token = json.load(answer)["access_token"]
    query = f"client_id={account.clients[0]}&pageinate=true&page_size={ROWS}&page_no=1"
    return f"{world.vendor}/api/Tickets?{query}", {"Authorization": f"Bearer {token}"}


def mcp(
    world: World, method: str, params: Mapping[str, Any], *, result: str, tenant: int = 0, account: int = 1
) -> Client:
    """A client of MCP 2026-07-28 on a connection that it keeps. `account`: of the demo's, 1 serves one customer."""
    body, headers = request_of(Agent(world, tenant, account).token(), method, params)
    parts = urlsplit(world.gateway)

    def client(_: int) -> Callable[[], None]:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

        def call() -> None:
            connection.request("POST", parts.path, body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != _OK or f'"{result}"'.encode() not in content:
                raise RuntimeError(f"{method}: {response.status} {content[:300]!r}")

        return call

    return client


def request_of(token: str, method: str, params: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Its body and its headers."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}})
    return body, {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        **({"Mcp-Name": params["name"]} if "name" in params else {}),
    }
