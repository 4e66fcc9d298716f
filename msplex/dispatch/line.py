"""The line of calls that wait for a broker: a stream of Redis, of which each tenant holds at most a few places.

Whatever else a tenant sends waits in a list of its own and moves up when one of its calls has ended. So nobody waits
behind more than `PLACES` calls of anybody else, and a slow vendor of one tenant cannot take every thread. A message has
the call's id and its signed context, and stays in the stream until it was run: that of a process that died is taken
over by another one, and the call's row says whether it was begun. Each step is one atomic script.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from msplex import replies
from msplex.dispatch.whereabouts import is_known_to_be_gone
from msplex.replies import Reply
from tenants.isolation.context import Context, acting_tenant
from tenants.isolation.tasks import TaskRefused, read_context, signed_context
from tenants.tracing import traceparent

NAME = "gateway.run_call"  # what the context is signed for, with the call's id
PLACES = 8
MOST_WAITING = 2000  # calls of one tenant; at the pace of one tenant's places more would be too late when they start
ALIVE_SECONDS = 15
GROUP = "brokers"
STREAM, PLACED, WAITING, ALIVE = (
    "msplex:{calls}:line",
    "msplex:{calls}:placed",
    "msplex:{calls}:of:",
    "msplex:{calls}:at:",
)
TIMEOUT_SECONDS, READ_SECONDS = 2.0, 5.0

# Lets as many of the tenant's calls in as there are places, oldest first. -1: too many wait.
_SEND = """
local waiting = redis.call('LLEN', KEYS[3])
if waiting >= tonumber(ARGV[4]) then return -1 end
redis.call('RPUSH', KEYS[3], ARGV[2])
local placed = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
while placed < tonumber(ARGV[3]) do
    local message = redis.call('LPOP', KEYS[3])
    if not message then break end
    redis.call('XADD', KEYS[1], '*', 'tenant', ARGV[1], 'message', message)
    placed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
end
return placed
"""
# Takes it out, once, and lets the next one of its tenant in. An empty line is also a fresh start of the count.
_END = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
local placed = redis.call('HINCRBY', KEYS[2], ARGV[3], -1)
local message = redis.call('LPOP', KEYS[3])
if message then
    redis.call('XADD', KEYS[1], '*', 'tenant', ARGV[3], 'message', message)
    redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
elseif placed <= 0 then
    redis.call('HDEL', KEYS[2], ARGV[3])
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end
return 1
"""
# Of a consumer that is gone: what it had, or, when that is nothing, its name.
_TAKE_OVER = """
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #held == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return {}
end
return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, held[1][1])
"""


class LineFull(Exception):
    """Too many calls of the acting tenant wait already; this one does not."""


@dataclass(frozen=True, slots=True)
class Place:
    """A call's place in the line, for whoever runs it. `again`: somebody had it before, and is gone."""

    entry: bytes
    tenant: bytes
    message: bytes
    again: bool = False

    @property
    def trace(self) -> str:
        """Of whoever sent it, if that is traced. It is not signed: whoever writes to the queue can mix up traces."""
        try:
            found = json.loads(self.message).get("trace", "")
        except (ValueError, AttributeError):
            return ""
        return found if isinstance(found, str) else ""

    def read(self) -> tuple[UUID, Context]:
        """The call and whom it is for; TaskRefused unless this deployment sent it so."""
        try:
            content = json.loads(self.message)
            call, header = content["call"], content["header"]
        except (ValueError, KeyError, TypeError):
            raise TaskRefused(f"{NAME}: the message is not one of ours") from None
        context = read_context(NAME, [call], {}, header)
        if str(context.tenant).encode() != self.tenant:
            raise TaskRefused(f"{NAME}: the message stands in the line of another tenant")
        return UUID(call), context


def send(call: UUID, client: "redis.Redis | None" = None) -> None:
    """Of the acting context, which comes with it. LineFull, or RedisError, when it does not stand in the line."""
    tenant = str(acting_tenant())
    content = {"call": str(call), "header": signed_context(NAME, [str(call)], {})}
    if trace := traceparent():
        content["trace"] = trace
    message = json.dumps(content, separators=(",", ":"))
    keys, values = [STREAM, PLACED, WAITING + tenant], [tenant, message, PLACES, MOST_WAITING]
    if _script(client or _client(), _SEND, keys, values) < 0:
        raise LineFull


class Stand:
    """A broker process at the line. Each of its threads has its own connection and asks one question at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._threads = threading.local()

    def begin(self) -> None:
        """Makes the group of brokers, if this is the first of them, and says that this one is there."""
        try:
            self._client().xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._client().script_load(_END)
        self.say_alive()

    def say_alive(self) -> None:
        self._client().set(ALIVE + self.name, "", ex=ALIVE_SECONDS)

    def leave(self) -> None:
        """Without a call in its hands; or, if it has one, for others to take it over at once."""
        with suppress(redis.RedisError):
            self._client().delete(ALIVE + self.name)

    def next(
        self, *, ended: Place | None = None, reply: Reply | None = None, block: float | None = None
    ) -> Place | None:
        """The next call, within `block` seconds; before that the reply goes out, and the ended one's place is free.

        One round trip for all of it. None: nobody waits. `block` None: the next one is not even asked for.
        """
        pipe = self._client().pipeline(transaction=False)
        if reply:
            replies.push(pipe, reply)
        if ended:
            tenant = ended.tenant.decode()
            pipe.evalsha(_digest(_END), 3, STREAM, PLACED, WAITING + tenant, GROUP, ended.entry, tenant)
        if block is not None:
            pipe.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=1, block=round(block * 1000))
        said = pipe.execute() if pipe.command_stack else []
        return _place(said[-1]) if block is not None else None

    def taken_over(self) -> Iterator[Place]:
        """What those left behind who are not alive any more, one after the other."""
        client = self._client()
        for consumer in client.xinfo_consumers(STREAM, GROUP):
            name = consumer["name"].decode()
            if is_known_to_be_gone(name):
                client.delete(ALIVE + name)
            keys, values = [STREAM, ALIVE + name], [GROUP, name, self.name]
            while name != self.name and (claimed := _script(client, _TAKE_OVER, keys, values)):
                entry, fields = claimed[0]
                held = dict(zip(fields[::2], fields[1::2], strict=True))
                yield Place(entry, held[b"tenant"], held[b"message"], again=True)

    def hang_up(self) -> None:
        """For the thread that ends."""
        self._client().close()

    def _client(self) -> redis.Redis:
        client: redis.Redis | None = getattr(self._threads, "client", None)
        if client is None:
            client = self._threads.client = _connect(READ_SECONDS)
        return client


def _place(read: Any) -> Place | None:
    """Of what XREADGROUP says in either version of the protocol."""
    streams = read.values() if isinstance(read, dict) else [entries for _, entries in read or []]
    for entries in streams:
        for entry, fields in entries:
            return Place(entry, fields[b"tenant"], fields[b"message"])
    return None


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return _connect(TIMEOUT_SECONDS)


def _connect(seconds: float) -> redis.Redis:
    """It does not try again: what was not answered may have arrived, and the call's row knows."""
    never = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=seconds, socket_connect_timeout=1, retry=never)


@lru_cache(maxsize=8)
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _script(client: redis.Redis, script: str, keys: list[Any], values: list[Any]) -> Any:
    try:
        return client.evalsha(_digest(script), len(keys), *keys, *values)
    except NoScriptError:
        return client.eval(script, len(keys), *keys, *values)
