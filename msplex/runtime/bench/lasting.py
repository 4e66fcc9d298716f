"""A tool call where every commit that promises something waits for the disk, as in `make run`; elsewhere in the bench
none does, because what a disk needs for that is the disk's."""

import os
import time
from pathlib import Path
from typing import Any

from msplex.runtime.bench.calls import LIST, ROWS, mcp
from msplex.runtime.bench.measure import CLIENTS, measure
from msplex.runtime.processes import wait_until
from msplex.runtime.world import World

SYNCS = 50


def lasting_call(world: World) -> dict[str, Any]:
    """The server is started anew as one that keeps what it has said, and stays so for what is measured after it."""
    server = world.supervisor.servers.postgres
    server.stop()
    server.throwaway = False
    server.start()
    call = mcp(world, "tools/call", {"name": LIST, "arguments": {"limit": ROWS}}, result="structuredContent")
    wait_until(lambda: _answers(call), 60, pause=0.5)
    figures: dict[str, Any] = {f"{clients}_clients": measure(call, clients=clients) for clients in CLIENTS}
    return {"sync_ms": _sync_ms(server.data.parent), **figures}


def _answers(call: Any) -> bool:
    """Whoever had a connection to the server that is gone finds that out once."""
    try:
        call(0)()
    except (RuntimeError, OSError):
        return False
    return True


def _sync_ms(folder: Path) -> float:
    """What one write to this disk takes until it is there."""
    path = folder / "sync"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    began = time.perf_counter()
    for _ in range(SYNCS):
        os.write(descriptor, bytes(8192))
        os.fdatasync(descriptor)
    taken = time.perf_counter() - began
    os.close(descriptor)
    path.unlink()
    return round(taken / SYNCS * 1000, 2)
