"""`make conformance`: the official MCP suite and clients against a running gateway. Prints one JSON line."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msplex.runtime.conformance import clients, node
from msplex.runtime.conformance.proxy import adding
from msplex.runtime.conformance.suite import LEGS, Leg, walk
from msplex.runtime.programs import DOORS, Program
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.supervisor import free_ports
from msplex.runtime.world import World, world

NORTHWIND, ONE_CUSTOMER = 0, 1
FIXTURES = "tests.conformance.asgi:application"


def conformance() -> int:
    began = time.monotonic()
    try:
        node.fetch()
    except node.NotFetched as failure:
        print(str(failure), file=sys.stderr)
        return 1
    with world("conformance") as place:
        ports = {False: place.installation.ports.gateway, True: _with_fixtures(place)}
        legs = {leg.name: _walked(leg, place, ports[leg.fixtures]) for leg in LEGS}
        spoken = clients.talk(place)
    ok = all(figures["ok"] for figures in (*legs.values(), *spoken.values()))
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"ok": ok, "seconds": seconds, "suite": legs, "clients": spoken}), flush=True)
    return 0 if ok else 1


def _with_fixtures(place: World) -> int:
    """The gateway once more, with what the suite expects beside its own tools, on a port of its own."""
    port = free_ports().gateway
    door = next(program for program in place.installation.programs() if program.name == "gateway")
    command = [*door.command, "--target", FIXTURES]
    command[command.index("--port") + 1] = str(port)
    ready = f"http://127.0.0.1:{port}/readyz"
    fixtures: Program = replace(door, name="fixtures", command=command, stage=DOORS, ready_address=ready)
    place.supervisor.start_programs([fixtures])
    return port


def _walked(leg: Leg, place: World, port: int) -> Mapping[str, Any]:
    token = Agent(place, NORTHWIND, ONE_CUSTOMER).token()

    async def walked() -> tuple[bool, dict[str, Any], str]:
        async with adding(token, to=port) as proxied:
            return await asyncio.to_thread(walk, leg, f"http://127.0.0.1:{proxied}/mcp")

    ok, figures, said = asyncio.run(walked())
    if not ok:
        print(said, file=sys.stderr, flush=True)
    return {"ok": ok, **figures}
