"""How fast calls may come: token buckets in Redis, so that all processes share them.

A tenant has one for each connector, as its plan says; a customer has one for all of them together, where it has a limit
of its own. A call takes one token of each or of none, in one atomic step and one round trip.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings

from tenants.models import Customer, Entitlement

# Each holds `rate` tokens a second, at most ten seconds' worth. Redis's own clock. A refusal leaves all as they were.
_TAKE = """
local now = redis.call('TIME')
local t = tonumber(now[1]) + tonumber(now[2]) / 1000000
local tokens, waits, refused = {}, {}, false
for i, key in ipairs(KEYS) do
    local rate, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local kept = redis.call('HMGET', key, 'tokens', 'at')
    tokens[i] = math.min(burst, (tonumber(kept[1]) or burst) + (t - (tonumber(kept[2]) or t)) * rate)
    waits[i] = '0'
    if tokens[i] < 1 then
        waits[i] = tostring((1 - tokens[i]) / rate)
        refused = true
    end
end
if refused then return waits end
for i, key in ipairs(KEYS) do
    redis.call('HSET', key, 'tokens', tokens[i] - 1, 'at', t)
    redis.call('EXPIRE', key, 120)
end
return {}
"""
BURST_SECONDS = 10
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
    local kept = redis.call('HGET', key, 'tokens')
    if kept then redis.call('HSET', key, 'tokens', tonumber(kept) + 1) end
end
return 0
"""
TIMEOUT = 0.5


@dataclass(frozen=True, slots=True)
class Bucket:
    """`a_minute`: how many tokens it gets. The part of the key in braces keeps a tenant's on one node of a cluster."""

    key: str
    a_minute: int

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return max(self.a_minute, 1) / 60

    @property
    def burst(self) -> float:
        return max(1.0, self.rate * BURST_SECONDS)


def of_plan(entitlement: Entitlement) -> Bucket:
    key = f"msplex:rate:{{{entitlement.tenant_id}}}:{entitlement.connector}"
    return Bucket(key, entitlement.calls_per_minute)


def of_customer(customer: Customer) -> Bucket | None:
    """None: it may call as fast as the plan lets the tenant."""
    if customer.calls_per_minute is None:
        return None
    return Bucket(f"msplex:rate:{{{customer.tenant_id}}}:customer:{customer.pk}", customer.calls_per_minute)


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


@lru_cache(maxsize=4)
def _script(text: str) -> Callable[..., Any]:
    """Sent once, called by its digest from then on."""
    return client().register_script(text)


def take(buckets: Sequence[Bucket]) -> tuple[int, ...] | None:
    """None when one more call is within each rate; else, for each, the whole seconds to wait, and nothing was taken.

    Never inside a transaction. Without Redis the answer is None: nothing can be dispatched then either, and gate 11
    says so.
    """
    if not buckets:
        return None
    terms = [term for each in buckets for term in (each.rate, each.burst)]
    try:
        waits = _script(_TAKE)([each.key for each in buckets], terms)
    except redis.RedisError:
        return None
    return tuple(math.ceil(float(wait)) for wait in waits) or None


def give_back(buckets: Sequence[Bucket]) -> None:
    """The call was refused for another reason: whoever is not let in must not use up what others may."""
    if not buckets:
        return
    with contextlib.suppress(redis.RedisError):
        _script(_GIVE_BACK)([each.key for each in buckets])
