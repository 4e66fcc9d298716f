"""`make sweep`: secrets typed into the portal are used, everything is made to fail, and then they are looked for.

They may be at the vendors, as what our requests brought there, and nowhere else: not in a table, the queue, a file, a
log, the memory of a process that others may read, or an answer. Each place also has something that has to be found
there, so that a search that finds nothing has looked. Prints one JSON object.
"""

import dataclasses
import io
import json
import secrets
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

from msplex.runtime.console import Console
from msplex.runtime.places import throwaway
from msplex.runtime.smoke.proof import Disproved
from msplex.runtime.supervisor import Supervisor, free_ports, seed_demo, stopping_orderly
from msplex.runtime.sweep import places
from msplex.runtime.sweep.acting import Act
from msplex.runtime.sweep.needles import Needles, Place
from msplex.runtime.sweep.vendors import VENDORS, StandIn, canary, free_port
from msplex.runtime.world import World

DEMOS_CUSTOMER = "Alder Dental Group"


class _Recorder(Console):
    """What every process says, kept, and passed on to stderr."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.kept = io.StringIO()

    def _write(self, text: str) -> None:
        self.kept.write(f"{text}\n")
        super()._write(text)


def sweep() -> int:
    began = time.monotonic()
    try:
        with throwaway("sweep") as home:
            console = _Recorder()
            supervisor = Supervisor(home, console, {"MSPLEX_LOG_LEVEL": "DEBUG"}, free_ports(), throwaway=True)
            with stopping_orderly(supervisor):
                report = _swept(supervisor, console)
    except (Disproved, SystemExit) as error:
        report = {"ok": False, "failed": str(error)}
    except Exception as error:  # noqa: BLE001 - a sweep that breaks proves nothing, and says why on stderr
        traceback.print_exc(file=sys.stderr)
        report = {"ok": False, "failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(report | {"seconds": round(time.monotonic() - began)}, indent=2), flush=True)
    return 0 if report["ok"] else 1


def _swept(supervisor: Supervisor, console: _Recorder) -> dict[str, Any]:
    control = f"control-{secrets.token_hex(8)}"
    world, stand_ins = _started(supervisor, control)
    ntfy_token = f"tk_{secrets.token_hex(16)}"
    canaries = Needles.of(_typed(stand_ins) | {"ntfy": ntfy_token})
    controls = Needles.of({"control": control, "customer": DEMOS_CUSTOMER})
    with places.Overheard(world.installation.redis_url) as overheard:
        act = Act(world, stand_ins, control, ntfy_token)
        told = act.everything(lambda: _of_processes(supervisor))
    found = {
        name: Place().look(pieces, canaries, controls)
        for name, pieces in _everywhere(world, act, overheard, console).items()
    }
    at_vendors: Counter[str] = sum((canaries.found(each.received()) for each in stand_ins), Counter())
    vendors = {name: at_vendors[name] for name in _typed(stand_ins)}
    # Killed, and did not say where it was: then nothing was searched of it.
    said = console.kept.getvalue()
    silent = [name for name in told["crashes"] if f"{name:8} | Fatal Python error" not in said]
    return _report(found, vendors, silent) | {"acts": told}


def _typed(stand_ins: list[StandIn]) -> dict[str, str]:
    """What a person types, by what it is for."""
    own = {f"{each.vendor.key} of one customer": each.own_canary for each in stand_ins if each.own_canary}
    return {each.vendor.key: each.canary for each in stand_ins} | own


def _started(supervisor: Supervisor, control: str) -> tuple[World, list[StandIn]]:
    prepared = supervisor.prepare()
    # Whoever is killed says where it was. The control is in the environment that a secret must not be in.
    more = {"PYTHONFAULTHANDLER": "1", "MSPLEX_SWEEP": control}
    installation = dataclasses.replace(prepared, overrides={**prepared.overrides, **more})
    stand_ins = [
        StandIn(vendor, free_port(), canary(vendor), canary(vendor) if vendor.fenced else "") for vendor in VENDORS
    ]
    vendor, *ours = installation.programs()
    others = [each.program(dict(vendor.environment)) for each in stand_ins]
    supervisor.start_programs([vendor, *others, *ours])
    for each in stand_ins:
        each.know()
    seed_demo(supervisor, installation)
    return World(installation, supervisor, json.loads(installation.credentials.read_text())), stand_ins


def _of_processes(supervisor: Supervisor) -> list[tuple[str, bytes]]:
    roots = {child.process.pid: child.program.name for child in supervisor.children if child.process}
    return list(places.processes(places.descendants(roots)))


def _everywhere(world: World, act: Act, overheard: places.Overheard, console: _Recorder) -> dict[str, Iterator[Any]]:
    home, place = world.installation.home, world.installation
    return {
        "tables": places.tables(place.admin_url, place.database),
        "queue": places.cache(place.redis_url),
        "payloads": overheard.pieces(),
        "files": places.files(home.path, home.servers),
        "logs": iter([("what the processes said", console.kept.getvalue().encode())]),
        "tracebacks": iter([("of forced crashes", _tracebacks(console.kept.getvalue()))]),
        "processes": iter(act.processes),
        "answers": iter(act.answers.kept),
        "packs": iter(act.packs),
    }


def _tracebacks(said: str) -> bytes:
    """From each first line of one to where the process says something else."""
    kept, inside = [], False
    for line in said.splitlines():
        text = line.partition("| ")[2]
        starts = text.startswith(("Traceback (most recent", "Fatal Python error"))
        inside = starts or (inside and (text[:1] in {" ", ""} or ":" in text[:80] or "Thread" in text))
        kept += [line] if inside else []
    return "\n".join(kept).encode()


def _report(found: dict[str, Place], vendors: dict[str, int], silent: list[str]) -> dict[str, Any]:
    leaked = {name: dict(place.secrets) | {"where": place.where[:10]} for name, place in found.items() if place.secrets}
    # A traceback of ours names lines of code, and no value that a person gave: there the frames are what is counted.
    blind = [name for name, place in found.items() if not place.size or (not place.controls and name != "tracebacks")]
    blind += silent
    unused = [name for name, count in vendors.items() if not count]
    rows = {
        name: {
            "looked_at": place.items,
            "bytes": place.size,
            "secrets_found": sum(place.secrets.values()),
            "controls_found": sum(place.controls.values()),
        }
        for name, place in found.items()
    }
    ok = not leaked and not blind and not unused
    return {"ok": ok, "leaked": leaked, "blind": blind, "places": rows, "found_at_vendors": vendors}
