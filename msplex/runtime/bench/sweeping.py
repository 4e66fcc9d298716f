"""What the sweeps cost where nobody has anything to do. The worker's side in a process of its own: python -m ..."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import django

from msplex.runtime.bench.growing import TENANTS, add_tenants
from msplex.runtime.home import ROOT
from msplex.runtime.world import World
from tenants.process import Process

SAMPLE, RUNS = 100, 2
# Once a night over every log, or nothing of tenants.
_OTHERS = {"audit.check_logs", "audit.watch_lag", "tenants.make_partitions"}


def sweeps(world: World) -> dict[str, Any]:
    """Milliseconds of CPU, PostgreSQL's included: of one run of each, and of a walk over everybody instead."""
    add_tenants(world)
    command = [sys.executable, "-m", "msplex.runtime.bench.sweeping"]
    environment = world.installation.environment(Process.WORKER) | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"tenants": TENANTS} | figures


def _measured() -> dict[str, Any]:
    from django.db import connection

    from msplex.celery import app

    connection.settings_dict["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1}  # so that its work can be counted
    app.loader.import_default_modules()
    found = {}
    for entry in app.conf.beat_schedule.values():
        if entry["options"]["queue"] == Process.WORKER.value and entry["task"] not in _OTHERS:
            found[entry["task"]] = _of(app.tasks[entry["task"]], entry["schedule"])
    minute = {of: round(sum(each[of] * 60 / each["every_s"] for each in found.values())) for of in ("asked", "walked")}
    return {"sweeps": found, "cpu_ms_a_minute": minute}


def _of(task: Callable[[], object], schedule: Any) -> dict[str, Any]:
    every = schedule if isinstance(schedule, float | int) else 60 * len(range(60)) / max(len(schedule.minute), 1)
    everybody = _everybody()[:SAMPLE]
    with _instead(everybody):
        walked = _cost(task) * TENANTS / len(everybody)
    with _instead(None):
        asked = _cost(task)
    share = float(every) / _ROUNDS.get(getattr(task, "name", ""), 86400)
    return {"every_s": every, "asked": round(asked + walked * share, 1), "walked": round(walked, 1)}


_ROUNDS = {"billing.roll_up": 3600, "billing.sample_gauges": 900}


@contextmanager
def _instead(found: list[UUID] | None) -> Iterator[None]:
    """Whom the walks come to, for once. None: whom the database says, and nobody whose turn it is."""
    from tenants import sweeping

    before = sweeping._asked, sweeping._turn
    if found is not None:
        sweeping._asked = lambda question: found  # noqa: ARG005 - as it is called there
    sweeping._turn = lambda *_: found or []
    try:
        yield
    finally:
        sweeping._asked, sweeping._turn = before


def _everybody() -> list[UUID]:
    from django.db import transaction

    from tenants.directory import active_tenants

    with transaction.atomic():
        return active_tenants()


def _cost(task: Callable[[], object]) -> float:
    """Milliseconds of a run, after one that was not counted."""
    task()
    before = _cpu()
    for _ in range(RUNS):
        task()
    return (_cpu() - before) * 1000 / RUNS


def _cpu() -> float:
    """Of this process, and of the database's that works for it; there is one, and none before the first run."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        fields = Path(f"/proc/{cursor.fetchone()[0]}/stat").read_text().rpartition(")")[2].split()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
    django.setup()
    print(json.dumps(_measured()), flush=True)
