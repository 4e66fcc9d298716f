"""How long a withdrawn right still opens a door: from the commit to the refusal, over four gateway processes."""

import dataclasses
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from msplex.runtime.bench.calls import VERSION
from msplex.runtime.home import ROOT
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.supervisor import free_ports
from msplex.runtime.world import World
from tenants.process import Process

PROCESSES = 4
ROUNDS = 25
WARM_SECONDS = 0.2
READY_SECONDS = 30
_OK, _REFUSED = 200, 401


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    began: float
    ended: float
    status: int


def withdrawal(world: World) -> dict[str, Any]:
    """Each round moves a principal's epoch, which is what every withdrawal does, under four clients that never stop."""
    account = world.demo["tenants"][0]["service_accounts"][1]
    principal = UUID(account["client_id"].rpartition("_")[2])
    place = world.installation
    with ExitStack() as stack:
        doors = [world.gateway, *(stack.enter_context(_gateway(world)) for _ in range(PROCESSES - 1))]
        database = stack.enter_context(psycopg.connect(place.admin_url, dbname=place.database, autocommit=True))
        rounds = [_round(doors, Agent(world, 0, 1).token(), database, principal) for _ in range(ROUNDS)]
    waits = [wait for found, _ in rounds for wait in found]
    return {
        "gateway_processes": PROCESSES,
        "withdrawals": ROUNDS,
        "commit_to_refusal_median_ms": round(statistics.median(waits) * 1000, 2),
        "commit_to_refusal_max_ms": round(max(waits) * 1000, 2),
        "accepted_that_began_after_the_commit": sum(late for _, late in rounds),
    }


def _round(doors: list[str], token: str, database: psycopg.Connection[Any], principal: UUID) -> tuple[list[float], int]:
    """For each door, the seconds from the commit to the first refusal; and how many got in that came after it."""
    seen: list[list[_Seen]] = [[] for _ in doors]
    pairs = zip(doors, seen, strict=True)
    threads = [threading.Thread(target=_ask_until_refused, args=(door, into, token)) for door, into in pairs]
    for thread in threads:
        thread.start()
    time.sleep(WARM_SECONDS)
    database.execute("UPDATE content.identity_principal SET epoch = epoch + 1 WHERE id = %s", [principal])
    committed = time.perf_counter()
    for thread in threads:
        thread.join()
    late = sum(one.status == _OK and one.began > committed for each in seen for one in each)
    return [max(0.0, each[-1].ended - committed) for each in seen], late


def _ask_until_refused(door: str, seen: list[_Seen], token: str) -> None:
    parts = urlsplit(door)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body, headers = _list_request(token)
    while not seen or seen[-1].status == _OK:
        began = time.perf_counter()
        connection.request("POST", parts.path, body, headers)
        response = connection.getresponse()
        response.read()
        seen.append(_Seen(began, time.perf_counter(), response.status))
    if seen[-1].status != _REFUSED:
        raise RuntimeError(f"refused with {seen[-1].status}")


def _list_request(token: str) -> tuple[str, dict[str, str]]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/list",
    }
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}), headers


@contextmanager
def _gateway(world: World) -> Iterator[str]:
    """One more process of the same gateway, on a port of its own."""
    port = free_ports().gateway
    command = [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws",
        "--workers-kill-timeout", "1", "--log-level", "warning", "msplex.gateway.asgi:application",
    ]  # fmt: skip
    environment = world.installation.environment(Process.GATEWAY)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sys.stderr)
    try:
        _wait(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}{urlsplit(world.gateway).path}"
    finally:
        process.terminate()
        process.wait(20)


def _wait(address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(address, timeout=1):  # noqa: S310 - our own address
            return
        time.sleep(0.05)
    raise TimeoutError(address)
