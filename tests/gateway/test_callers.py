"""Who calls is settled by the token before anything of the request is read, and nothing beyond its reach is at hand."""

import asyncio
import dataclasses
import time
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.conf import settings

from identity.tokens import read_access_token
from msplex.gateway import streams
from msplex.gateway.callers import Caller, Waiter, see
from msplex.gateway.handlers import Handlers
from msplex.gateway.handles import HandleRefused, seal, unseal
from msplex.gateway.replies import NoReply
from msplex.gateway.streams import Streams
from tests.connectors.factories import connect
from tests.gateway.door import in_a_thread, refusal
from tests.identity.factories import make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def caller(world) -> Caller:
    """Bound to the first of three customers."""
    token = make_machine(world.tenant, customers=world.tenant.customers[:1]).token()
    return Caller(read_access_token(token, audience=settings.GATEWAY_RESOURCE), "127.0.0.1")


def test_what_is_decided_from_holds_no_customer_but_the_callers_own(world, caller):
    """Whatever the rest of the request says: the others are not even read."""
    own = world.tenant.customers[0].pk

    seen = see(caller)

    assert seen.context.customers == (own,)
    assert set(seen.snapshot.customers) == {own}
    assert seen.snapshot.mapped == {(world.instance.id, own)}


def test_a_handle_is_for_its_caller_with_the_same_reach(caller):
    handle = seal("x", purpose="tests", caller=caller)
    others = [
        {"tenant_id": uuid4()}, {"principal_id": uuid4()}, {"agent_session_id": uuid4()}, {"customers": None},
        {"customers": (uuid4(),)},
    ]  # fmt: skip

    assert unseal(handle, purpose="tests", caller=caller) == "x"
    for change in others:
        other = dataclasses.replace(caller, claims=dataclasses.replace(caller.claims, **change))
        with pytest.raises(HandleRefused):
            unseal(handle, purpose="tests", caller=other)


def test_a_stream_ends_with_the_token_it_was_opened_with(caller, monkeypatch):
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    soon = dataclasses.replace(caller.claims, expires_at=time.time() + 0.1)
    closed: list[bool] = []

    async def names(_: Caller) -> tuple[str, ...]:
        return ("a",)

    async def watch() -> None:
        handler = SimpleNamespace(close=lambda: closed.append(True))
        watching = Streams(names)._watch(Caller(soon), ("a",), SimpleNamespace(), handler)  # type: ignore[arg-type]
        await asyncio.wait_for(watching, 20)

    in_a_thread(asyncio.run, watch())

    assert closed == [True]


def test_who_is_not_answered_in_time_is_told_that_the_outcome_is_unknown(caller):
    """Not that it failed, nor to try again: the broker may be at it."""

    async def wait(*_: object) -> None:
        raise NoReply

    side = Handlers(SimpleNamespace(waiter=Waiter("nobody", b"x" * 32), wait=wait))  # type: ignore[arg-type]
    answer = in_a_thread(lambda: asyncio.run(side.call(caller, "halopsa_list_tickets", {"limit": 1})))

    told = refusal(answer)
    assert answer["isError"]
    assert (told["gate"], told["code"], told["retryable"]) == ("return_result", "outcome_unknown", False)
    assert told["call_id"]
