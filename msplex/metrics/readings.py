"""Numbers that are looked up when somebody asks: of this process, or, in beat, of the deployment."""

import os
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import connection

from msplex.dispatch import line
from tenants.counting import Labels
from tenants.metrics import told_numbers
from tenants.process import Process, current_process

_STARTED = time.time()
_TIMEOUT_SECONDS = 1.0
_BREAKERS = "msplex:vendor:*:open"
_QUEUES = (Process.WORKER, Process.BROKER)


@dataclass(frozen=True, slots=True)
class Gauge:
    name: str
    help: str
    values: tuple[tuple[Labels, float], ...]


BUILD = "msplex_build_info", "Always 1: which version this is, and which process"
STARTED = "process_start_time_seconds", "When this process started, in seconds of Unix"
MEMORY = "process_resident_memory_bytes", "Memory of this process"
POOL = "msplex_database_connections", "Of the pool of this process: all, idle, and requests that wait for one"
DEPTH = "msplex_queue_depth", "Calls and tasks in the queues, those that run with them"
WAITING = "msplex_calls_waiting", "Calls that wait because their tenant has all its places in the queue"
OPEN_BREAKERS = "msplex_breakers_open", "Credentials whose vendor is left alone now"
TOLD = {
    "sealing_lag": ("msplex_sealing_lag_seconds", "How long the oldest record of any tenant has waited for its seal"),
    "approvals": ("msplex_approvals_open", "Requests that wait for people, of all tenants"),
}
NAMES = (BUILD, STARTED, MEMORY, POOL, DEPTH, WAITING, OPEN_BREAKERS, *TOLD.values())


def readings() -> Iterator[Gauge]:
    yield Gauge(*BUILD, (({"version": _version(), "process": current_process().value}, 1.0),))
    yield Gauge(*STARTED, (({}, _STARTED),))
    yield Gauge(*MEMORY, (({}, float(_memory())),))
    yield from _pool()
    if current_process() is Process.BEAT:  # the one process of which there is exactly one, and it asks no database
        with suppress(redis.RedisError):
            yield from _deployment()


def _pool() -> Iterator[Gauge]:
    pools: dict[str, Any] = type(connection._connections[connection._alias])._connection_pools  # type: ignore[attr-defined]
    pool = pools.get("default")
    if pool is None:
        return
    told = pool.get_stats()
    keys = {"all": "pool_size", "idle": "pool_available", "waiting": "requests_waiting"}
    yield Gauge(*POOL, tuple(({"state": state}, float(told.get(key, 0))) for state, key in keys.items()))


def _deployment() -> Iterator[Gauge]:
    client = _client()
    pipe = client.pipeline(transaction=False)
    pipe.xlen(line.STREAM)
    for queue in _QUEUES:
        pipe.llen(queue.value)
    pipe.hvals(line.WAITING)
    calls, *lengths, waiting = pipe.execute()
    of_tasks = zip(_QUEUES, lengths, strict=True)
    depths = [({"queue": queue.value}, float(length)) for queue, length in of_tasks]
    yield Gauge(*DEPTH, (({"queue": "calls"}, float(calls)), *depths))
    yield Gauge(*WAITING, (({}, float(sum(map(int, waiting)))),))
    yield Gauge(*OPEN_BREAKERS, (({}, float(sum(1 for _ in client.scan_iter(_BREAKERS, count=1000)))),))
    numbers = told_numbers()
    for key, (name, what) in TOLD.items():
        if key in numbers:
            yield Gauge(name, what, (({}, numbers[key]),))


def _memory() -> int:
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


@lru_cache(maxsize=1)
def _version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(project["project"]["version"])


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
