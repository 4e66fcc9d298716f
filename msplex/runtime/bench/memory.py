"""What gateway and broker need after many calls, and whether they go on growing."""

import os
import sys
from pathlib import Path
from typing import Any

from msplex.runtime.bench.calls import LIST, ROWS, mcp
from msplex.runtime.bench.measure import measure
from msplex.runtime.world import World

CALLS, LOOKS, CLIENTS, SECONDS = 100_000, 20, 8, 5.0
PROGRAMS = ("gateway", "calls")


def memory(world: World) -> dict[str, Any]:
    """MiB of the largest process of each (resident), by the calls that were made until then; and the growth of the
    second half, in MiB for 10,000 calls."""
    call = mcp(world, "tools/call", {"name": LIST, "arguments": {"limit": ROWS}}, result="structuredContent")
    made, looks = 0, [_look(world, 0)]
    while made < CALLS:
        made += int(measure(call, clients=CLIENTS, seconds=SECONDS)["calls"])
        if made >= len(looks) * CALLS / LOOKS:
            looks.append(_look(world, made))
            print(looks[-1], file=sys.stderr, flush=True)
    return {"calls": made, "mib": looks, "growth": {name: _growth(looks, name) for name in PROGRAMS}}


def _growth(looks: list[dict[str, float]], name: str) -> float:
    """Least squares over the second half: by then caches and pools are what they will be."""
    later = looks[len(looks) // 2 :]
    middle = {key: sum(each[key] for each in later) / len(later) for key in ("made", name)}
    spread = sum((each["made"] - middle["made"]) ** 2 for each in later) or 1.0
    slope = sum((each["made"] - middle["made"]) * (each[name] - middle[name]) for each in later) / spread
    return round(slope * 10_000, 2)


def _look(world: World, made: int) -> dict[str, float]:
    children = {child.program.name: child.process.pid for child in world.supervisor.children if child.process}
    return {"made": made} | {name: max(_mib(pid) for pid in _tree(children[name])) for name in PROGRAMS}


def _tree(pid: int) -> list[int]:
    below = [
        int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()
    ]
    return [pid, *(one for each in below for one in _tree(each))]


def _mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
