"""Can this process work? Each thing that it needs, by name, with yes or no and nothing else.

Asked over a connection of its own, not the pool's: a pool that is busy is no reason to send nobody here, and the parent
of forked children must not have one. Asked at most once a second, however often somebody wants to know.
"""

import importlib.util
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from audit.lag import RISKY_STOP_SECONDS
from msplex.draining import is_draining
from msplex.guard import ROLES
from msplex.pulse import PULSE
from tenants.isolation.context import Context
from tenants.process import Process, current_process

KEPT_SECONDS = 1.0
CLOCK_SECONDS = 5.0  # tokens and contexts allow for some seconds between two clocks
NOBODY = UUID(int=0)
_SEES_LAG = {Process.PORTAL, Process.GATEWAY, Process.WORKER, Process.COMMAND}
# What does not take a process out of service: looking works while the log is not sealed; and what is written is refused
# by itself, for the tenants it concerns. One tenant whose log cannot be sealed must not close the door to all.
ONLY_SAID = frozenset({"sealer"})


@dataclass(frozen=True, slots=True)
class Readiness:
    parts: dict[str, bool]

    @property
    def ok(self) -> bool:
        return all(fine for name, fine in self.parts.items() if name not in ONLY_SAID)

    @property
    def status(self) -> int:
        return 200 if self.ok else 503

    def as_json(self) -> dict[str, Any]:
        return {"status": "ok" if self.ok else "not ready", **self.parts}


class _Kept:
    """The last answer. While one thread asks, others are given what there was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.at, self.parts = 0.0, dict[str, bool]()

    def fresh(self) -> dict[str, bool]:
        if time.monotonic() - self.at < KEPT_SECONDS:
            return self.parts
        if self._lock.acquire(blocking=not self.parts):
            try:
                self.parts, self.at = dict(_asked()), time.monotonic()
            finally:
                self._lock.release()
        return self.parts


_kept = _Kept()


def readiness() -> Readiness:
    return Readiness({"serving": not is_draining(), "working": PULSE.is_regular(), **_kept.fresh()})


def forget() -> None:
    """What was asked before; for tests."""
    _kept.at, _kept.parts = 0.0, {}


def _asked() -> Iterator[tuple[str, bool]]:
    yield "redis", _redis()
    if current_process() is not Process.BEAT:
        yield from _database().items()


def _redis() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _database() -> dict[str, bool]:
    found = dict.fromkeys(("database", "migrations", "clock", "context"), False)
    if current_process() in _SEES_LAG:
        found["sealer"] = False
    with suppress(psycopg.Error), _connected() as database:
        found |= _of_database(database)
        found["context"] = _takes_context(database)
    return found


def _of_database(database: "psycopg.Connection[Any]") -> dict[str, bool]:
    role, unapplied, now = database.execute(
        "SELECT session_user, border.unapplied(%s), extract(epoch FROM clock_timestamp())", [list(migrations())]
    ).fetchone() or ("", 1, 0)
    found = {
        "database": role == ROLES.get(current_process(), role),
        "migrations": unapplied == 0,
        "clock": abs(float(now) - time.time()) < CLOCK_SECONDS,
    }
    if current_process() in _SEES_LAG:
        (lag,) = database.execute("SELECT border.sealing_lag()").fetchone() or (RISKY_STOP_SECONDS,)
        found["sealer"] = float(lag) < RISKY_STOP_SECONDS
    return found


def _takes_context(database: "psycopg.Connection[Any]") -> bool:
    """Does the database believe what we sign? Of a tenant that is none."""
    token = Context(NOBODY).token(database.info.backend_pid)
    try:
        database.execute("SELECT set_config('msplex.context', %s, true)", [token])
        row = database.execute("SELECT msplex.tenant()").fetchone()
    except psycopg.Error:
        return False
    return row == (NOBODY,)


def _connected() -> "psycopg.Connection[Any]":
    place = connection.settings_dict
    told = {"host": place["HOST"], "port": place["PORT"], "user": place["USER"], "password": place["PASSWORD"]}
    kept = {name: value for name, value in place["OPTIONS"].items() if name.startswith("ssl")}
    return psycopg.connect(
        dbname=place["NAME"],
        connect_timeout=2,
        options="-c statement_timeout=1000 -c lock_timeout=500",
        **{name: value for name, value in told.items() if value},
        **kept,
    )


@lru_cache(maxsize=1)
def migrations() -> tuple[str, ...]:
    """Of the code that runs, as app.name: by the names of files, without loading them."""
    return tuple(sorted(_migrations()))


def _migrations() -> Iterator[str]:
    for app in apps.get_app_configs():
        module, _ = MigrationLoader.migrations_module(app.label)
        spec = importlib.util.find_spec(module) if module and _exists(module) else None
        for place in (spec.submodule_search_locations if spec else None) or ():
            names = (path.stem for path in Path(place).glob("[!_]*.py"))
            yield from (f"{app.label}.{name}" for name in names)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
