"""Processor time of an installation, by what spent it."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msplex.runtime.world import World

_NOT_OURS = "vendor"


@dataclass(frozen=True)
class _Process:
    command: str
    parent: int
    seconds: float


def spent(world: World) -> dict[str, float]:
    """Seconds so far, of every program and of the two servers with all their children; not of load and vendor."""
    table = dict(_processes())
    programs = {child.process.pid: child.program.name for child in world.supervisor.children if child.process}
    found: defaultdict[str, float] = defaultdict(float)
    for pid, process in table.items():
        name = _name(pid, table, programs)
        if name and name != _NOT_OURS:
            found[name] += process.seconds
    return dict(found)


def _name(pid: int, table: Mapping[int, _Process], programs: Mapping[int, str]) -> str | None:
    """Of the program that this process belongs to; a server has the name of its command. None: not below us."""
    command = table[pid].command
    while pid in table and pid != os.getpid():
        if pid in programs:
            return programs[pid]
        command, pid = table[pid].command, table[pid].parent
        if pid == os.getpid():
            return command
    return None


def _processes() -> "list[tuple[int, _Process]]":
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            fields = rest.split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            found.append((int(folder.name), _Process(command, int(fields[1]), seconds)))
    return found
