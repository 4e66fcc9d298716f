"""How often an address may ask for what costs us something before anybody has signed in."""

from functools import lru_cache

import redis
from django.conf import settings

A_MINUTE = {"register": 20, "document": 30, "hook": 120, "hook_from": 1200, "held": 60, "held_from": 600, "enrol": 60}
TIMEOUT = 0.5
WITHOUT_REDIS = 5  # seconds to come back after: what cannot be counted is not done

# One atomic step, so that a counter never stays without an end.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], 60) end
if count > tonumber(ARGV[1]) then return math.max(redis.call('TTL', KEYS[1]), 1) end
return 0
"""


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


def wait(what: str, address: str) -> int:
    """0 for one more within the minute's allowance of this address, else the seconds to wait.

    `hook`: deliveries to one webhook; `hook_from`: from one address, which may be a vendor's for many. `held` and
    `held_from`: the same of host agents; `enrol`: codes that are tried from one address.
    """
    try:
        return int(_client().eval(_COUNT, 1, f"msplex:oauth:{what}:{address}", A_MINUTE[what]))
    except redis.RedisError:
        return WITHOUT_REDIS
