"""How fast a credential may ask its vendor, and when not at all. Kept in Redis, for every process of the broker alike.

Its bucket holds three tenths of the documented limit and regains six tenths of it in the limit's time, so that no
stretch of that time sees more than nine. The last tenth is for health checks, which the pace never holds up.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.errors import VendorError
from connectors.metrics import HELD

logger = logging.getLogger(__name__)
LONGEST_HOLD = 900
_BURST, _REFILL = 0.3, 0.6
_TIMEOUT = 1.0
# What the vendor said comes first, then the bucket. Milliseconds to wait. Redis's own clock, one atomic step.
_TAKE = """
local held = redis.call('PTTL', KEYS[1])
if held > 0 then return held end
local burst, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
if burst == 0 then return 0 end
local now = redis.call('TIME')
local t = tonumber(now[1]) + tonumber(now[2]) / 1000000
local kept = redis.call('HMGET', KEYS[2], 'tokens', 'at')
local tokens = math.min(burst, (tonumber(kept[1]) or burst) + (t - (tonumber(kept[2]) or t)) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / rate * 1000) end
redis.call('HSET', KEYS[2], 'tokens', tokens, 'at', t)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return wait
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a vendor documents for one credential."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Pace:
    """`credential` is an id. Without a rate only what the vendor itself said counts."""

    credential: str
    rate: Rate | None = None

    def take(self) -> None:
        """Before a request: VendorError, with the seconds to wait, when it must not be sent."""
        try:
            wait = int(_take(client())([self._key("held"), self._key("bucket")], self._bucket()))
        except redis.RedisError:
            logger.warning("Redis does not answer: requests to vendors are not paced")
            return
        if wait > 0:
            HELD.add("pace")
            raise VendorError("vendor_throttled", retry_after=math.ceil(wait / 1000))

    def hold(self, seconds: int) -> None:
        """The vendor said to wait: nobody asks with this credential until then."""
        try:
            client().set(self._key("held"), "", ex=min(max(seconds, 1), LONGEST_HOLD))
        except redis.RedisError:
            logger.warning("Redis does not answer: that the vendor limits requests is not kept")

    def _key(self, what: str) -> str:
        return f"msplex:vendor:{{{self.credential}}}:{what}"

    def _bucket(self) -> tuple[float, float, int]:
        if self.rate is None:
            return 0, 0, 0
        return self.rate.requests * _BURST, self.rate.requests * _REFILL / self.rate.seconds, self.rate.seconds


@lru_cache(maxsize=1)
def _take(of: redis.Redis) -> Callable[..., Any]:
    """Sent once, called by its digest from then on."""
    return of.register_script(_TAKE)


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """It never tries again: a vendor is waiting, and so is a caller."""
    never = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=never
    )
