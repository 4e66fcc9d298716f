"""What is counted of tasks, and numbers of the whole deployment that one process finds out and another one shows."""

import time
from contextlib import suppress
from functools import lru_cache

import redis
from django.conf import settings

from tenants.counting import counter, histogram
from tenants.process import Process

_QUEUES = (Process.WORKER, Process.BROKER)
TASKS = counter("msplex_tasks_total", "Tasks that ended", queue=_QUEUES, outcome=("ok", "failed"))
TASK_SECONDS = histogram("msplex_task_seconds", "How long tasks ran", queue=_QUEUES)
TASK_WAIT_SECONDS = histogram("msplex_task_wait_seconds", "From sending to start of tasks", queue=_QUEUES)

NUMBERS = "msplex:numbers"
KEPT_SECONDS = 1800.0  # an older number is not shown


def tell_number(name: str, value: float) -> None:
    """Of all tenants together. Without Redis it is not told; nothing depends on it."""
    with suppress(redis.RedisError):
        _client().hset(NUMBERS, name, f"{value}:{time.time():.0f}")


def told_numbers() -> dict[str, float]:
    """RedisError."""
    found: dict[str, float] = {}
    told: dict[bytes, bytes] = _client().hgetall(NUMBERS)  # type: ignore[assignment]
    for name, text in told.items():
        value, _, at = text.decode().partition(":")
        if time.time() - float(at or 0) < KEPT_SECONDS:
            found[name.decode()] = float(value)
    return found


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
