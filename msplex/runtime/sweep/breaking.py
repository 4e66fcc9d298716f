"""Forced crashes: a table that is gone in the middle of the work, and every process killed so that it says where."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from msplex.runtime.processes import send, wait_until
from msplex.runtime.programs import VENDOR
from msplex.runtime.smoke.proof import expect
from msplex.runtime.sweep.places import descendants
from msplex.runtime.world import World
from tenants.process import Process

_READY_WITHIN = 60.0


@contextlib.contextmanager
def without_table(world: World, table: str) -> Iterator[None]:
    """As long as this is open, whoever uses it fails."""
    schema, _, name = table.partition(".")
    place = world.installation
    with psycopg.connect(place.admin_url, dbname=place.database, autocommit=True) as database:
        database.execute(f"ALTER TABLE {schema}.{name} RENAME TO {name}_gone".encode())
        try:
            yield
        finally:
            database.execute(f"ALTER TABLE {schema}.{name}_gone RENAME TO {name}".encode())


def telling_servers(world: World) -> None:
    """The database writes down every statement, with its values."""
    with psycopg.connect(world.installation.admin_url, autocommit=True) as database:
        database.execute("ALTER SYSTEM SET log_statement = 'all'")
        database.execute("SELECT pg_reload_conf()")


def crash_all(world: World, during: Callable[[], Any]) -> dict[str, str]:
    """One process after the other, each while something is under way. What each ended with, by name."""
    ended = {}
    for child in list(world.supervisor.children):
        if child.process is None or (child.program.stage == VENDOR and child.program.name != Process.SEALER):
            continue
        busy = threading.Thread(target=_quietly, args=(during,), daemon=True)
        busy.start()
        time.sleep(0.7)
        for pid in descendants({child.process.pid: child.program.name}):
            send(pid, signal.SIGABRT)
        expect(wait_until(lambda: not child.is_running, 20), f"{child.program.name} did not end")  # noqa: B023
        ended[child.program.name] = child.ending()
        busy.join(timeout=40)
        expect(wait_until(lambda: _revived(child), _READY_WITHIN, pause=0.2), f"{child.program.name} stayed away")  # noqa: B023
    return ended


def _revived(child: Any) -> bool:
    child.revive()
    return bool(child.is_ready())


def _quietly(work: Callable[[], Any]) -> None:
    with contextlib.suppress(Exception):  # whoever is served by what is killed hears that it is gone
        work()
