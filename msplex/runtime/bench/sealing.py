"""What the audit log costs, how fast it is sealed, and what is left of it when sealer and database are killed."""

import json
import random
import signal
import subprocess
import sys
import time
from typing import Any

import psycopg

from msplex.runtime.children import Child
from msplex.runtime.home import ROOT
from msplex.runtime.processes import wait_until
from msplex.runtime.world import World
from tenants.process import Process

KILLS, CRASHES = 100, 3
DRAINED_SECONDS = 120
_PENDING = "SELECT count(*) FROM border.audit_pending WHERE refused IS NULL"


def record_overhead(world: World) -> dict[str, Any]:
    """In the portal, whose statements are not bounded until record() bounds them, and where they always are."""
    return {process.value: _written(world, "overhead", process) for process in (Process.PORTAL, Process.BROKER)}


def record_rates(world: World) -> dict[str, Any]:
    """With the sealer at work beside it: `drained_seconds` is how long it then needs for what it is behind."""
    figures = dict(_written(world, "rates"))
    began = time.monotonic()
    drain(world)
    return figures | {"drained_seconds": round(time.monotonic() - began, 2)}


def seal_wait(world: World) -> dict[str, Any]:
    drain(world)
    return dict(_written(world, "waits"))


def kills(world: World) -> dict[str, Any]:
    """SIGKILL of the sealer under four writers a hundred times, and PostgreSQL stopped in the middle; then fsck."""
    as_in_production(world)
    writer = _start(world, "until_told", stdin=subprocess.PIPE)
    sealer = next(child for child in world.supervisor.children if child.program.name == "sealer")
    began = time.monotonic()
    for number in range(KILLS):
        _kill(sealer)
        if number in range(KILLS // (CRASHES + 1), KILLS, KILLS // (CRASHES + 1)):
            crash(world)
    written = json.loads(writer.communicate()[0])
    drain(world)
    return _counted(world, written) | {"kills": KILLS, "crashes": CRASHES, "seconds": round(time.monotonic() - began)}


def _counted(world: World, written: list[str]) -> dict[str, Any]:
    with database_of(world) as database:
        sealed = {str(row[0]) for row in database.execute("SELECT id FROM content.audit_leaf")}
        heads = database.execute("SELECT count(*) FROM content.audit_checkpoint").fetchone()
    command = [sys.executable, str(ROOT / "manage.py"), "fsck_log"]
    environment = world.installation.environment(Process.WORKER)
    checked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return {
        "events": len(written),
        "lost": len(set(written) - sealed),
        "heads": heads[0] if heads else 0,
        "fsck": checked.stdout.strip().splitlines()[-1] if checked.stdout else checked.stderr[-300:],
        "fsck_exit_code": checked.returncode,
    }


def _kill(sealer: Child) -> None:
    """At some moment of its work, not of its start."""
    wait_until(lambda: is_up(sealer), 60)
    time.sleep(random.uniform(0.0, 0.3))  # noqa: S311 - a moment, not a secret
    if sealer.process:
        sealer.process.send_signal(signal.SIGKILL)
        sealer.process.wait()
    sealer.start()


def is_up(sealer: Child) -> bool:
    """It may have met a database that was away, and have ended by itself."""
    sealer.revive()
    return sealer.is_ready()


def crash(world: World) -> None:
    """`pg_ctl stop -m immediate`, and a start with recovery."""
    postgres = world.supervisor.servers.postgres
    postgres.crash()
    postgres.start()


def as_in_production(world: World) -> None:
    """A throw-away server answers a commit before it is written; here that would be the loss that is looked for."""
    with database_of(world) as database:
        database.execute(f'ALTER DATABASE "{world.installation.database}" SET synchronous_commit = on'.encode())


def drain(world: World) -> None:
    with database_of(world) as database:

        def is_empty() -> bool:
            return database.execute(_PENDING).fetchone() == (0,)

        if not wait_until(is_empty, DRAINED_SECONDS):
            raise RuntimeError(f"The sealer is still behind after {DRAINED_SECONDS} s.")


def database_of(world: World) -> "psycopg.Connection[Any]":
    place = world.installation
    return psycopg.connect(place.admin_url, dbname=place.database, autocommit=True)


def _written(world: World, mode: str, process: Process = Process.BROKER) -> Any:
    said, _ = _start(world, mode, process).communicate()
    return json.loads(said)


def _start(world: World, mode: str, process: Process = Process.BROKER, **more: Any) -> "subprocess.Popen[bytes]":
    with database_of(world) as database:
        tenant = database.execute("SELECT id FROM provider.tenant ORDER BY id LIMIT 1").fetchone()
    command = [sys.executable, "-m", "msplex.runtime.bench.recording", mode, str(tenant[0] if tenant else "")]
    environment = world.installation.environment(process)
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, **more)
