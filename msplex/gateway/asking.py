"""A client of a handshake revision is asked in the middle of its call (MCP 2025-11-25, elicitation).

The question goes out on the stream of the call. The answer is a request of its own, and may reach any process: it finds
the one that waits through Redis, once, under a name that follows from the question's id and from whom it was put to. So
an answer to what nobody asked, to what was answered or given up, and of somebody else are one: nothing is found. It is
sealed for that caller and that question on its way, so whoever can write to Redis has said nothing.
"""

import asyncio
import hmac
import json
import logging
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast
from uuid import UUID, uuid4

import redis
from django.conf import settings

from msplex import replies
from msplex.decision.verdicts import Gate
from msplex.gateway import answers, handles
from msplex.gateway.asgi_types import Message, Send
from msplex.gateway.callers import Caller, Waiter
from msplex.gateway.calls import NO_QUEUE, DoorClosed
from msplex.gateway.replies import NoReply, Replies

EVENTS = "msplex.events"  # where the door puts the stream of a call
WAIT_SECONDS = 50  # of the minute after which clients give up on a call
MOST, MOST_OF_ONE = 256, 4  # questions of this process; to one principal
MOST_ANSWER = 1024  # bytes
_LABEL = b"msplex/questions/v1"
logger = logging.getLogger(__name__)


class NoAnswer(Exception):
    """Nobody has answered in time, or not in a way that counts."""


class Events:
    """Stands before `send` of a stream of events, and sends messages of ours between those of the SDK."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._turn = asyncio.Lock()
        self._begun = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        async with self._turn:
            await self._send(message)
        self._begun.set()

    async def say(self, message: Mapping[str, Any]) -> None:
        await self._begun.wait()
        event = f"event: message\r\ndata: {json.dumps(message)}\r\n\r\n"
        async with self._turn:
            await self._send({"type": "http.response.body", "body": event.encode(), "more_body": True})


class Questions:
    """What this process has asked, and waits for."""

    def __init__(self, waiting: Replies) -> None:
        self._replies = waiting
        self._open: Counter[UUID] = Counter()

    def has_room(self, caller: Caller) -> bool:
        return self._open.total() < MOST and self._open[caller.claims.principal_id] < MOST_OF_ONE

    async def put(self, caller: Caller, events: Events, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the client says to it, as it says it. NoAnswer; and it may leave, which cancels this."""
        question = uuid4()
        await asyncio.to_thread(_register, caller, question, self._replies.waiter)
        self._open[caller.claims.principal_id] += 1
        try:
            await events.say({"jsonrpc": "2.0", "id": str(question), "method": method, "params": params})
            return await self._answer(caller, question)
        except NoAnswer:
            gone = {"requestId": str(question), "reason": "Nobody has answered."}
            await events.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": gone})
            raise
        finally:
            self._open[caller.claims.principal_id] -= 1
            self._open += Counter()  # drops those that are at nought
            asyncio.get_running_loop().run_in_executor(None, _forget, caller, question)

    async def _answer(self, caller: Caller, question: UUID) -> Mapping[str, Any]:
        try:
            reply = await self._replies.wait(caller.claims.tenant_id, question, WAIT_SECONDS)
            answer = handles.unseal(str(reply.get("answer")), purpose=_purpose(question), caller=caller)
        except NoReply:
            raise NoAnswer from None
        except handles.HandleRefused:
            logger.exception("alert: an answer to question %s was not sealed for it", question)
            raise NoAnswer from None
        return cast("Mapping[str, Any]", answer)


def answer_in(body: bytes) -> dict[str, Any] | None:
    """What a client says to a question, if that is what it sends."""
    if b'"result"' not in body and b'"error"' not in body:
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    answers_something = isinstance(message, dict) and "method" not in message and {"result", "error"} & message.keys()
    return message if answers_something else None


def take(caller: Caller, message: Mapping[str, Any]) -> bool:
    """Whether this process or another one was waiting for it, from this caller. Once."""
    said = {"result": message["result"]} if "result" in message else {"error": message["error"]}
    try:
        question = UUID(message.get("id"))
        found = _client().getdel(_key(caller, question)) if len(json.dumps(said)) <= MOST_ANSWER else None
    except (ValueError, TypeError, AttributeError, redis.RedisError):
        return False
    if found is None:
        return False
    name, public_key = json.loads(cast("bytes", found))
    sealed = handles.seal(said, purpose=_purpose(question), caller=caller)
    reply = replies.seal(
        {"answer": sealed}, public_key=bytes.fromhex(public_key), tenant=caller.claims.tenant_id, call=question
    )
    replies.deliver(replies.Reply(replies.channel(name), reply))
    return True


def _register(caller: Caller, question: UUID, waiter: Waiter) -> None:
    place = json.dumps([waiter.name, waiter.public_key.hex()])
    try:
        _client().set(_key(caller, question), place, ex=WAIT_SECONDS)
    except redis.RedisError:
        raise answers.door_closed(DoorClosed(Gate.DISPATCH, NO_QUEUE)) from None


def _forget(caller: Caller, question: UUID) -> None:
    try:
        _client().delete(_key(caller, question))
    except redis.RedisError:
        logger.warning("a question that is over could not be forgotten; it is, when its time has passed")


def _key(caller: Caller, question: UUID) -> str:
    """Of this question, if it was put to this caller. Who reads it in Redis learns neither."""
    named = handles.bound_to(_purpose(question), caller)
    return f"msplex:question:{hmac.digest(handles.derived_key(_LABEL), named, 'sha256').hex()}"


def _purpose(question: UUID) -> str:
    return f"question {question}"


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
