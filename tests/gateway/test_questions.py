"""A question that waits: for so long and no longer, and for an answer that only its caller can have sealed."""

import asyncio
import json

import pytest
import redis
from django.conf import settings

from identity.tokens import Claims
from msplex import replies
from msplex.gateway import asking
from msplex.gateway.asking import Events, NoAnswer, Questions
from msplex.gateway.callers import Caller
from msplex.gateway.replies import Replies
from tenants.ids import uuid7
from tests.gateway.door import in_a_thread


@pytest.fixture
def caller():
    return Caller(Claims(**dict.fromkeys(Claims.__slots__) | {"tenant_id": uuid7(), "principal_id": uuid7()}))


async def ask(caller, meanwhile, said):
    """Its answer; `meanwhile` is done with each message that goes out."""
    waiting = Replies()
    async with waiting.running():
        questions = Questions(waiting)

        async def send(message):
            if message["type"] == "http.response.body":
                said.append(json.loads(message["body"].decode().split("data: ")[1]))
                await asyncio.to_thread(meanwhile, said[-1], waiting)

        events = Events(send)
        await events({"type": "http.response.start", "status": 200, "headers": []})
        return await questions.put(caller, events, "elicitation/create", {"message": "?"})


def nothing(*_):
    """Nobody says anything."""


def test_the_first_answer_of_the_caller_is_the_answer(caller):
    def answer(message, _):
        said = [
            asking.take(caller, {"id": message["id"], "result": {"action": each}}) for each in ("decline", "accept")
        ]
        assert said == [True, False]

    assert in_a_thread(asyncio.run, ask(caller, answer, [])) == {"result": {"action": "decline"}}


def test_nobody_is_waited_for_longer_than_a_client_waits(caller, monkeypatch):
    monkeypatch.setattr(asking, "WAIT_SECONDS", 1)
    said = []

    with pytest.raises(NoAnswer):
        in_a_thread(asyncio.run, ask(caller, nothing, said))

    first, last = said
    assert (last["method"], last["params"]["requestId"]) == ("notifications/cancelled", first["id"])
    assert not asking.take(caller, {"id": first["id"], "result": {"action": "accept"}})


def test_who_can_write_to_redis_has_said_nothing(caller, monkeypatch):
    """It knows where the process listens and its public key, and the question's id."""
    monkeypatch.setattr(asking, "WAIT_SECONDS", 5)

    def forge(message, waiting):
        if message.get("method") != "elicitation/create":
            return
        yes = {"answer": json.dumps([9e9, {"result": {"action": "accept", "content": {"confirm": True}}}])}
        to = {"public_key": waiting.waiter.public_key, "tenant": caller.claims.tenant_id}
        sealed = replies.seal(yes, call=asking.UUID(message["id"]), **to)
        redis.Redis.from_url(settings.REDIS_URL).rpush(replies.channel(waiting.waiter.name), sealed)

    with pytest.raises(NoAnswer):
        in_a_thread(asyncio.run, ask(caller, forge, []))


def test_one_principal_has_no_more_than_its_share_of_questions(caller):
    questions = Questions(Replies())
    questions._open[caller.claims.principal_id] = asking.MOST_OF_ONE

    assert not questions.has_room(caller)
    assert questions.has_room(Caller(Claims(**dict.fromkeys(Claims.__slots__) | {"principal_id": uuid7()})))
