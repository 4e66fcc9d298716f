"""How fast a tenant may call one connector: a token bucket in Redis, so that all processes share it."""

import math
from functools import lru_cache
from uuid import UUID

import redis
from django.conf import settings

from tenants.models import Entitlement

# One bucket: `rate` tokens a second, at most ten seconds' worth kept. Redis's own clock, one atomic step.
_TAKE = """
local now = redis.call('TIME')
local t = tonumber(now[1]) + tonumber(now[2]) / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(burst, (tonumber(kept[1]) or burst) + (t - (tonumber(kept[2]) or t)) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', t)
redis.call('EXPIRE', KEYS[1], 120)
return tostring(wait)
"""
BURST_SECONDS = 10
TIMEOUT = 1.0


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


_known: dict[tuple[UUID, str], tuple[str, int]] = {}
KNOWN = 10_000


def remember(tenant: UUID, tool: str, entitlement: Entitlement) -> None:
    """The rate is taken before the call's transaction, so it is the one that the last decision saw."""
    if len(_known) >= KNOWN:
        _known.clear()
    _known[tenant, tool] = entitlement.connector, entitlement.calls_per_minute


def check(tenant: UUID, tool: str) -> int | None:
    """None when the call is within the rate, else the whole seconds to wait.

    Without Redis the answer is None: nothing can be dispatched then either, and gate 11 says so.
    """
    connector, calls_per_minute = _known.get((tenant, tool), ("", 0))
    return take(tenant, connector, calls_per_minute=calls_per_minute) if connector else None


def take(tenant: UUID, connector: str, *, calls_per_minute: int) -> int | None:
    rate = max(calls_per_minute, 1) / 60
    key = f"msplex:rate:{tenant}:{connector}"
    try:
        wait = float(client().eval(_TAKE, 1, key, rate, max(1.0, rate * BURST_SECONDS)))
    except redis.RedisError:
        return None
    return math.ceil(wait) if wait > 0 else None
