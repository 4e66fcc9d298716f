"""subscriptions/listen (MCP 2026-07-28): tells a caller that its list of tools has changed.

What is told is the truth of tools/list: the stream asks for the caller's own list, as a request of it would, and says
when it is another one. It asks at intervals, and at once when another process of the gateway has seen the tenant
change, which goes around in Redis as the tenant's id. A caller who may not act any more, or whose token has ended, is
let go. Nothing is remembered: a stream that broke is opened again, and the list fetched.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

from msplex.decision.verdicts import Code, Gate, Refusal
from msplex.draining import is_draining
from msplex.gateway import answers
from msplex.gateway.callers import Caller
from msplex.gateway.calls import DoorClosed

CHANNEL = "msplex:tools"
LOOK_SECONDS = 5.0
RETRY_SECONDS = 1.0
MOST, MOST_OF_ONE = 256, 4  # streams of this process; of one principal
FULL = Refusal(Code.BUSY, "Too many streams are open already. Close one, or try again later.", True, 60)
ENDING = Refusal(Code.BUSY, "This process of the gateway ends. Open the stream again.", True, 1)
Names = tuple[str, ...]
logger = logging.getLogger(__name__)


class Streams:
    """`names`: what is on a caller's list now; raises MCPError when the door is closed to it."""

    def __init__(self, names: Callable[[Caller], Awaitable[Names]]) -> None:
        self._names = names
        self._open: Counter[UUID] = Counter()
        self._bells: dict[UUID, set[asyncio.Event]] = {}

    async def listen(
        self, caller: Caller, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        before = await self._names(caller)  # who may not list may not listen
        with self._place(caller):
            handler = ListenHandler(bus := InMemorySubscriptionBus())
            watching = asyncio.create_task(self._watch(caller, before, bus, handler))
            try:
                return await handler(context, params)
            finally:
                watching.cancel()

    @contextlib.contextmanager
    def _place(self, caller: Caller) -> Any:
        principal = caller.claims.principal_id
        if is_draining():
            raise answers.door_closed(DoorClosed(Gate.DISPATCH, ENDING))
        if self._open.total() >= MOST or self._open[principal] >= MOST_OF_ONE:
            raise answers.door_closed(DoorClosed(Gate.DISPATCH, FULL))
        self._open[principal] += 1
        try:
            yield
        finally:
            self._open[principal] -= 1
            self._open += Counter()  # drops those that are at nought

    async def _watch(self, caller: Caller, names: Names, bus: InMemorySubscriptionBus, handler: ListenHandler) -> None:
        """Until the caller goes, or has to."""
        tenant, bell = caller.claims.tenant_id, asyncio.Event()
        self._bells.setdefault(tenant, set()).add(bell)
        try:
            while time.time() < caller.claims.expires_at and not is_draining():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), LOOK_SECONDS)
                rung = bell.is_set()
                bell.clear()
                if is_draining():
                    break
                seen = await self._seen(caller, names)
                if seen is None:
                    break
                if seen != names:
                    names = seen
                    await bus.publish(ToolsListChanged())
                    if not rung:
                        await asyncio.to_thread(ring, tenant)
            handler.close()
        finally:
            self._bells[tenant].discard(bell)

    def end_all(self) -> None:
        """Of a process that is draining: each finds that out when its bell rings."""
        for bells in self._bells.values():
            for bell in bells:
                bell.set()

    async def _seen(self, caller: Caller, before: Names) -> Names | None:
        """The list of now; empty when the door is closed for the moment, None when it is for this caller."""
        try:
            return await self._names(caller)
        except MCPError as refused:
            if refused.error.code == answers.UNAUTHORIZED:
                return None
            return before if refused.error.code != answers.DOOR_CLOSED else ()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        ended = threading.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._hear, args=(loop, ended), daemon=True, name="changes").start()
        try:
            yield
        finally:
            ended.set()

    def _hear(self, loop: asyncio.AbstractEventLoop, ended: threading.Event) -> None:
        """Of tenants that others have seen change. Without Redis each stream looks for itself."""
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=LOOK_SECONDS, socket_connect_timeout=1)
        while not ended.is_set():
            try:
                with client.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]
                    heard.subscribe(CHANNEL)
                    while not ended.is_set():
                        message = heard.get_message(timeout=RETRY_SECONDS)
                        if message:
                            loop.call_soon_threadsafe(self._rung, message["data"])
            except (redis.RedisError, OSError):
                ended.wait(RETRY_SECONDS)
            except RuntimeError:  # the loop has ended
                return

    def _rung(self, raw: bytes) -> None:
        with contextlib.suppress(ValueError):
            for bell in self._bells.get(UUID(raw.decode("ascii", "replace")), ()):
                bell.set()


def ring(tenant: UUID) -> None:
    """Tells every process of the gateway that the tenant has changed. A hint: whoever misses it finds out by itself."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.publish(CHANNEL, str(tenant))
    except (redis.RedisError, OSError):
        logger.warning("that a tenant has changed could not be told to the other processes of the gateway")
