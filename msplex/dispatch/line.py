"""The line of calls that wait for a broker: a stream of Redis, of which each tenant holds at most a few places.

Whatever else a tenant sends waits in a list of its customer's and moves up when one of its calls has ended: customers
take turns (msplex.dispatch.turns). So nobody waits behind more than `PLACES` calls of another tenant, and a slow vendor
of one of them cannot take every thread, nor one customer every place of its tenant. A message has the call's id and its
signed context, and stays in the stream until it was run: that of a process that died is taken over by another one, and
the call's row says whether it was begun. Each step is one atomic script.
"""

import dataclasses
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
from msplex.dispatch import turns
from msplex.dispatch.whereabouts import is_known_to_be_gone
from msplex.replies import Reply
from tenants.isolation.context import Context, acting_tenant, current
from tenants.isolation.tasks import TaskRefused, read_context, signed_context
from tenants.tracing import traceparent

NAME = "gateway.run_call"  # what the context is signed for, with the call's id
ALIVE_SECONDS = 15
GROUP = "brokers"
STREAM, PLACED, WAITING, HEAVY = (
    "msplex:{calls}:line",
    "msplex:{calls}:placed",
    "msplex:{calls}:waiting",  # of each tenant, how many
    "msplex:{calls}:heavy",  # the weight of those tenants that wait and have one
)
RING, LISTS, ALIVE = "msplex:{calls}:ring:", "msplex:{calls}:of:", "msplex:{calls}:at:"
TIMEOUT_SECONDS, READ_SECONDS = 2.0, 5.0


class LineFull(Exception):
    """Too many calls of the acting tenant, or of the customer, wait already; this one does not."""


@dataclass(frozen=True, slots=True)
class Place:
    """A call's place in the line, for whoever runs it. `again`: somebody had it before, and is gone."""

    entry: bytes
    tenant: bytes
    message: bytes
    again: bool = False
    customer: bytes = b""  # nothing: sent when customers had no turns yet

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
        if self.customer and [str(each).encode() for each in context.customers or ()] != [self.customer]:
            raise TaskRefused(f"{NAME}: the message stands in the line of another customer")
        return UUID(call), context


def send(call: UUID, client: "redis.Redis | None" = None, *, weight: int = 1) -> None:
    """Of the acting context, which comes with it. LineFull, or RedisError, when it does not stand in the line.

    `weight`: of the tenant, by its plan.
    """
    tenant, customer = str(acting_tenant()), str(_acting_customer())
    content = {"call": str(call), "header": signed_context(NAME, [str(call)], {})}
    if trace := traceparent():
        content["trace"] = trace
    message = json.dumps(content, separators=(",", ":"))
    values = [tenant, LISTS, turns.PLACES, customer, message, weight, turns.MOST_WAITING]
    if _script(client or _client(), turns.SEND, _keys(tenant), values) < 0:
        raise LineFull


def _acting_customer() -> UUID:
    """A call is for one customer, and waits for its turn."""
    context = current()
    customers = context.customers if context else None
    if customers is None or len(customers) != 1:
        raise LookupError("a call is sent for exactly one customer")
    return customers[0]


def _keys(tenant: str) -> list[Any]:
    return [STREAM, PLACED, WAITING, HEAVY, RING + tenant]


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
        self._client().script_load(turns.END)
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
            keys = _keys(ended.tenant.decode())
            values: list[Any] = [ended.tenant, LISTS, turns.PLACES, GROUP, ended.entry, ended.customer]
            pipe.evalsha(_digest(turns.END), len(keys), *keys, *values)
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
            while name != self.name and (claimed := _script(client, turns.TAKE_OVER, keys, values)):
                entry, fields = claimed[0]
                held = dict(zip(fields[::2], fields[1::2], strict=True))
                yield dataclasses.replace(_place_of(entry, held), again=True)

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
            return _place_of(entry, fields)
    return None


def _place_of(entry: bytes, fields: dict[bytes, bytes]) -> Place:
    return Place(entry, fields[b"tenant"], fields[b"message"], customer=fields.get(b"customer", b""))


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
