"""The waiting side of a call: one reader for a gateway process, which hands each reply to the request it belongs to."""

import asyncio
import contextlib
import logging
import secrets
from typing import Any, cast
from uuid import UUID

import redis.asyncio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings

from msplex import replies
from msplex.gateway.callers import Waiter

logger = logging.getLogger(__name__)
BLOCK_SECONDS = 2
TIMEOUT_SECONDS = 45.0  # under the 60 s that MCP clients wait by default
RETRY_SECONDS = 0.5
EARLY = 256  # replies kept for requests that do not wait yet


class NoReply(Exception):
    """The broker did not answer in time. What became of the call stands in its record."""


class Replies:
    """Holds this process's key while it runs; a reply sealed to an earlier one cannot be read, nor is it waited for."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()
        self._waiting: dict[UUID, tuple[UUID, asyncio.Future[dict[str, Any]]]] = {}
        self._early: dict[UUID, bytes] = {}
        self.waiter = Waiter(secrets.token_hex(8), self._key.public_key().public_bytes_raw())

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        reader = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def wait(self, tenant: UUID, call: UUID) -> dict[str, Any]:
        """The reply to one call; NoReply after TIMEOUT_SECONDS."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[call] = tenant, future
        if early := self._early.pop(call, None):
            self._deliver(early)
        try:
            return await asyncio.wait_for(future, TIMEOUT_SECONDS)
        except TimeoutError:
            raise NoReply from None
        finally:
            self._waiting.pop(call, None)

    async def _read(self) -> None:
        name = replies.channel(self.waiter.name)
        while True:
            client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=BLOCK_SECONDS + 3)
            try:
                while True:
                    popped = await client.blpop([name], timeout=BLOCK_SECONDS)
                    if popped:
                        self._deliver(cast(bytes, popped[1]))
            except redis.RedisError:
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await client.aclose()

    def _deliver(self, message: bytes) -> None:
        call = replies.address(message)
        if call not in self._waiting:
            self._keep_early(call, message)
            return
        tenant, future = self._waiting[call]
        try:
            reply = replies.unseal(message, private_key=self._key, tenant=tenant, call=call)
        except replies.ReplyBroken:
            logger.exception("alert: a reply to call %s was not sealed for it", call)
            return
        if not future.done():
            future.set_result(reply)

    def _keep_early(self, call: UUID, message: bytes) -> None:
        """The broker can be faster than the request that is about to wait; what nobody waits for is dropped in time."""
        self._early[call] = message
        while len(self._early) > EARLY:
            self._early.pop(next(iter(self._early)))
