"""A vendor that fails again and again is left alone for a while, by every process of the broker: state is in Redis.

Closed: everything is sent. After FAILURES in a row without an answer, or with a server error: open, nothing is sent for
OPEN_SECONDS. Then one request may try (half open); what becomes of it closes or opens it again. Health checks always
try, and count.
"""

import logging
import math
from dataclasses import dataclass

import redis

from connectors.errors import VendorError
from connectors.metrics import BREAKS, HELD
from connectors.pace import client

logger = logging.getLogger(__name__)
FAILURES = 5
OPEN_SECONDS = 30
# Longer than a call may take; failures further apart than FORGET_SECONDS are not in a row.
PROBE_SECONDS, FORGET_SECONDS = 25, 300
# {milliseconds to wait, failures so far}
_ADMIT = """
local open = redis.call('PTTL', KEYS[1])
if open > 0 then return {open, 1} end
local failures = tonumber(redis.call('GET', KEYS[2]) or '0')
if failures < tonumber(ARGV[1]) then return {0, failures} end
if redis.call('SET', KEYS[3], '', 'PX', ARGV[2], 'NX') then return {0, failures} end
return {redis.call('PTTL', KEYS[3]), failures}
"""
_FAIL = """
local failures = redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('DEL', KEYS[3])
if failures >= tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '', 'EX', ARGV[2]) end
return failures
"""


@dataclass(slots=True)
class Breaker:
    """For one call. `credential` is an id; `always` is for health checks. Without Redis it lets everything through."""

    credential: str
    connector: str = ""
    always: bool = False
    _has_failed: bool = False

    def admit(self) -> None:
        """Before a request: VendorError, with the seconds to wait, when it must not be sent."""
        if self.always:
            return
        try:
            wait, failures = client().eval(_ADMIT, 3, *self._keys(), FAILURES, PROBE_SECONDS * 1000)
        except redis.RedisError:
            logger.warning("Redis does not answer: requests to failing vendors are not held back")
            return
        self._has_failed = failures > 0
        if wait > 0:
            HELD.add("breaker")
            raise VendorError("vendor_unavailable", retry_after=math.ceil(wait / 1000))

    def note(self, *, failed: bool) -> None:
        """After a request. That all is well again is written down only where it was not."""
        try:
            if failed:
                counted = client().eval(_FAIL, 3, *self._keys(), FAILURES, OPEN_SECONDS, FORGET_SECONDS)
                if counted == FAILURES:
                    BREAKS.add(self.connector)
                    logger.warning("the vendor of credential %s has failed %s times in a row", self.credential, counted)
            elif self._has_failed or self.always:
                client().delete(*self._keys())
        except redis.RedisError:
            logger.warning("Redis does not answer: whether a vendor fails is not kept")

    def seconds_left(self) -> int:
        """For how long nothing is sent; 0 when it is not open, or not known."""
        try:
            left = int(client().pttl(self._keys()[0]))
        except redis.RedisError:
            return 0
        return max(math.ceil(left / 1000), 0)

    def _keys(self) -> tuple[str, str, str]:
        place = f"msplex:vendor:{{{self.credential}}}"
        return f"{place}:open", f"{place}:failures", f"{place}:probe"
