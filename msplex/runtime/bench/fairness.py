"""What a quiet one waits while another one floods the gateway: tenants, and customers of one tenant.

With one broker process and with four.
"""

import dataclasses
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from msplex.runtime.bench.calls import LIST, mcp
from msplex.runtime.world import World

FLOOD, FLOODING = 1000, 32  # calls of the loud tenant, over so many clients at once
QUIET = 30  # calls of the other one, one after the other
BROKERS = (1, 4)
LOUD_TENANT, QUIET_TENANT = 0, 1
EVERY_CUSTOMER = 0  # the demo's account that serves all customers of its tenant
Maker = Callable[[], Callable[[], None]]


def fairness(world: World) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    loud, quiet = (partial(_client, world, tenant) for tenant in (LOUD_TENANT, QUIET_TENANT))
    one, other = (partial(_client_for, world, each["key"]) for each in world.demo["tenants"][0]["customers"][:2])
    for brokers in BROKERS:
        _have(world, brokers)
        figures[f"{brokers}_brokers"] = {
            "alone": _waits(quiet(), lambda: False),
            "beside_a_flood": _beside_a_flood(loud, quiet),
            "beside_a_flood_of_another_customer": _beside_a_flood(one, other),
        }
    return figures


def _have(world: World, brokers: int) -> None:
    program = next(each.program for each in world.supervisor.children if each.program.name == "calls")
    there = sum(each.program.name.startswith("calls") for each in world.supervisor.children)
    more = [dataclasses.replace(program, name=f"calls-{number}") for number in range(there + 1, brokers + 1)]
    world.supervisor.start_programs(more)


def _client(world: World, tenant: int) -> Callable[[], None]:
    call = mcp(world, "tools/call", {"name": LIST, "arguments": {"limit": 1}}, result="content", tenant=tenant)
    return call(0)


def _client_for(world: World, customer: str) -> Callable[[], None]:
    """Of the loud tenant's automation, for one of its customers."""
    params = {"name": LIST, "arguments": {"limit": 1, "customer": customer}}
    return mcp(world, "tools/call", params, result="content", tenant=LOUD_TENANT, account=EVERY_CUSTOMER)(0)


def _beside_a_flood(loud: Maker, quiet: Maker) -> dict[str, Any]:
    """`flood`: calls of the loud one that were answered meanwhile; those that were shed are answers too."""
    left, lock, flooded = iter(range(FLOOD)), threading.Lock(), [0]

    def flood() -> None:
        call = loud()
        while True:
            with lock:
                if next(left, None) is None:
                    return
                flooded[0] += 1
            call()

    threads = [threading.Thread(target=flood) for _ in range(FLOODING)]
    for thread in threads:
        thread.start()
    waits = _waits(quiet(), lambda: not any(thread.is_alive() for thread in threads))
    for thread in threads:
        thread.join()
    return {**waits, "flood": flooded[0]}


def _waits(call: Callable[[], None], ended: Callable[[], bool]) -> dict[str, Any]:
    """Milliseconds, with a pause between the calls: whoever is quiet does not call all the time."""
    call()
    waits: list[float] = []
    while len(waits) < QUIET and not ended():
        began = time.perf_counter()
        call()
        waits.append(round((time.perf_counter() - began) * 1000, 1))
        time.sleep(0.05)
    ordered = sorted(waits)
    return {"calls": len(ordered), "p50_ms": ordered[len(ordered) // 2], "worst_ms": ordered[-1]}
