"""How fast a tenant may call one connector: a token bucket in Redis, so that all processes share it."""

import contextlib
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

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
_GIVE_BACK = """
local kept = redis.call('HGET', KEYS[1], 'tokens')
if kept then redis.call('HSET', KEYS[1], 'tokens', tonumber(kept) + 1) end
return 0
"""
TIMEOUT = 0.5


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


@lru_cache(maxsize=4)
def _script(text: str) -> Callable[..., Any]:
    """Sent once, called by its digest from then on."""
    return client().register_script(text)


def _key(entitlement: Entitlement) -> str:
    return f"msplex:rate:{entitlement.tenant_id}:{entitlement.connector}"


def take(entitlement: Entitlement) -> int | None:
    """None when one more call is within the rate, else the whole seconds to wait. Never inside a transaction.

    Without Redis the answer is None: nothing can be dispatched then either, and gate 11 says so.
    """
    rate = max(entitlement.calls_per_minute, 1) / 60
    try:
        wait = float(_script(_TAKE)([_key(entitlement)], [rate, max(1.0, rate * BURST_SECONDS)]))
    except redis.RedisError:
        return None
    return math.ceil(wait) if wait > 0 else None


def give_back(entitlement: Entitlement) -> None:
    """The call was refused for another reason: whoever is not let in must not use up what others may."""
    with contextlib.suppress(redis.RedisError):
        _script(_GIVE_BACK)([_key(entitlement)])
