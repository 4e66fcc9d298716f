"""The waiting side of a call: one reader for a gateway process, which hands each reply to the request it belongs to."""

import asyncio
import contextlib
import dataclasses
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, cast
from uuid import UUID

import redis
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings

from msplex import replies
from msplex.gateway.callers import Waiter
from msplex.telling import PROGRESS, marked

Hear = Callable[[str], None] | None
Popped = tuple[bytes, list[bytes]] | None
logger = logging.getLogger(__name__)
BLOCK_SECONDS = 2
TIMEOUT_SECONDS = 45.0  # under the 60 s that MCP clients wait by default
RETRY_SECONDS = 0.5
AT_ONCE = 64
EARLY = 256  # replies kept for requests that do not wait yet


class NoReply(Exception):
    """The broker did not answer in time. What became of the call stands in its record."""


class Replies:
    """Holds this process's key while it runs; a reply sealed to an earlier one cannot be read, nor is it waited for."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()
        self._waiting: dict[UUID, tuple[UUID, asyncio.Future[dict[str, Any]], Hear]] = {}
        self._early: dict[UUID, bytes] = {}
        self.waiter = Waiter(secrets.token_hex(8), self._key.public_key().public_bytes_raw())
        self.listener = dataclasses.replace(self.waiter, name=marked(self.waiter.name))  # which also hears of progress

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A thread reads, because a client that does not share the loop costs a fraction of one that does."""
        ended = threading.Event()
        reader = threading.Thread(target=self._read, args=(asyncio.get_running_loop(), ended), daemon=True)
        reader.start()
        try:
            yield
        finally:
            ended.set()

    async def wait(
        self, tenant: UUID, call: UUID, seconds: float = TIMEOUT_SECONDS, hear: Hear = None
    ) -> dict[str, Any]:
        """The reply to one call; NoReply after so many seconds. `hear`: what the broker says of it meanwhile."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[call] = tenant, future, hear
        if early := self._early.pop(call, None):
            self._deliver(early)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise NoReply from None
        finally:
            self._waiting.pop(call, None)

    def _read(self, loop: asyncio.AbstractEventLoop, ended: threading.Event) -> None:
        """Whatever has come, with one question."""
        names = [replies.channel(each.name) for each in (self.waiter, self.listener)]
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=BLOCK_SECONDS + 3)
        while not ended.is_set():
            try:
                popped = cast(
                    "Popped", client.blmpop(BLOCK_SECONDS, len(names), *names, direction="LEFT", count=AT_ONCE)
                )
            except redis.RedisError:
                ended.wait(RETRY_SECONDS)
                continue
            if popped:
                with contextlib.suppress(RuntimeError):  # the loop has ended, and with it those who waited
                    loop.call_soon_threadsafe(self._deliver_all, popped[1])

    def _deliver_all(self, messages: list[bytes]) -> None:
        for message in messages:
            self._deliver(message)

    def _deliver(self, message: bytes) -> None:
        call = replies.address(message)
        if call not in self._waiting:
            self._keep_early(call, message)
            return
        tenant, future, hear = self._waiting[call]
        try:
            reply = replies.unseal(message, private_key=self._key, tenant=tenant, call=call)
        except replies.ReplyBroken:
            logger.exception("alert: a reply to call %s was not sealed for it", call)
            return
        if PROGRESS in reply:
            if hear:
                hear(str(reply[PROGRESS]))
        elif not future.done():
            future.set_result(reply)

    def _keep_early(self, call: UUID, message: bytes) -> None:
        """The broker can be faster than the request that is about to wait; what nobody waits for is dropped in time."""
        self._early[call] = message
        while len(self._early) > EARLY:
            self._early.pop(next(iter(self._early)))
