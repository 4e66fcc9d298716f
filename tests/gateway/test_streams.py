"""subscriptions/listen: a caller hears that its own list has changed, and nothing else."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import redis
from django.conf import settings

from connectors.services import activate_instance, deactivate_instance
from identity.services import disable_principal
from identity.tokens import read_access_token
from msplex.gateway import streams as streams_module
from msplex.gateway.callers import Caller
from msplex.gateway.streams import CHANNEL, MOST_OF_ONE, Streams
from tests.connectors.factories import ALICE, connect
from tests.gateway.door import VERSION, Door, agent, in_a_thread
from tests.identity.factories import SETUP, make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


@pytest.fixture
def world(vendor):
    return connect(vendor)


@contextmanager
def listening(door, **wanted: bool) -> Iterator[Iterator[dict[str, Any]]]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    }
    params = {"_meta": meta, "notifications": wanted or {"toolsListChanged": True}}
    body = {"jsonrpc": "2.0", "id": 9, "method": "subscriptions/listen", "params": params}
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {door.token}",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "subscriptions/listen",
    }
    with (
        httpx2.Client(timeout=30, trust_env=False) as http,
        http.stream("POST", door.url, json=body, headers=headers) as answer,
    ):
        answer.raise_for_status()
        yield messages(answer)


def messages(answer: httpx2.Response) -> Iterator[dict[str, Any]]:
    """With an end: a stream of which nothing is told is kept open by its pings."""
    deadline = time.monotonic() + 60
    for line in answer.iter_lines():
        assert time.monotonic() < deadline, "nothing was told"
        if line.startswith("data: "):
            yield json.loads(line[6:])
            deadline = time.monotonic() + 60


def test_a_caller_hears_that_its_list_has_changed(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])
    with listening(door) as heard:
        first = next(heard)
        with world.tenant.acting():
            deactivate_instance(world.instance, by=ALICE)
        gone = next(heard)
        with world.tenant.acting():
            activate_instance(world.instance, by=ALICE)
        back = next(heard)

    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert {gone["method"], back["method"]} == {"notifications/tools/list_changed"}
    assert {each["params"]["_meta"][SUBSCRIPTION] for each in (first, gone, back)} == {9}


def test_a_caller_who_may_not_act_any_more_is_let_go(gateway_url, world):
    machine = make_machine(world.tenant, customers=world.tenant.customers[:1])
    door = agent(gateway_url, world, world.tenant.customers[0])
    door.token = machine.token()
    with listening(door) as heard:
        next(heard)
        with world.tenant.acting():
            disable_principal(machine.id, by=SETUP)
        rest = list(heard)

    assert [each.get("method") for each in rest] == [None]
    assert rest[0]["result"]["resultType"] == "complete"


def test_who_may_not_list_may_not_listen(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])
    with world.tenant.acting():
        deactivate_instance(world.instance, by=ALICE)

    with pytest.raises(httpx2.HTTPStatusError) as refused, listening(door):
        pass

    assert refused.value.response.status_code == 403


def test_one_principal_has_few_streams(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(listening(door)) for _ in range(MOST_OF_ONE)]
        for heard in open_ones:
            next(heard)
        with pytest.raises(httpx2.HTTPStatusError) as refused, listening(door):
            pass

    assert refused.value.response.status_code == 503


# The bell between processes: two sets of streams in this one, of which neither looks by itself


def caller_of(door: Door) -> Caller:
    return Caller(read_access_token(door.token, audience=settings.GATEWAY_RESOURCE), "127.0.0.1")


async def _watched(streams: Streams, who: Caller, told: asyncio.Event) -> None:
    async def publish(_: object) -> None:
        told.set()

    handler = SimpleNamespace(close=lambda: None)
    await streams._watch(who, (), SimpleNamespace(publish=publish), handler)  # type: ignore[arg-type]


def _until_somebody_hears() -> None:
    deadline = time.monotonic() + 30
    while not dict(redis.Redis.from_url(settings.REDIS_URL).pubsub_numsub(CHANNEL))[CHANNEL.encode()]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def _heard_of(who: Caller, rung: UUID) -> bool:
    """Whether the stream of `who` was told of a change after that tenant's bell."""
    shown: list[str] = []

    async def names(_: Caller) -> tuple[str, ...]:
        return tuple(shown)

    streams, told = Streams(names), asyncio.Event()
    async with streams.running():
        await asyncio.to_thread(_until_somebody_hears)
        watching = asyncio.create_task(_watched(streams, who, told))
        await asyncio.sleep(0.1)
        shown.append("another")
        await asyncio.to_thread(streams_module.ring, rung)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), 20 if rung == who.claims.tenant_id else 0.5)
        watching.cancel()
    return told.is_set()


@pytest.mark.parametrize("own", [True, False])
def test_what_another_process_has_seen_is_told_at_once(world, monkeypatch, own):
    monkeypatch.setattr(streams_module, "LOOK_SECONDS", 60.0)
    who = caller_of(agent("", world, world.tenant.customers[0]))

    assert in_a_thread(asyncio.run, _heard_of(who, who.claims.tenant_id if own else uuid4())) is own


def test_who_sees_a_change_by_itself_tells_the_other_processes(world, monkeypatch):
    monkeypatch.setattr(streams_module, "LOOK_SECONDS", 0.01)
    rung: list[UUID] = []
    monkeypatch.setattr(streams_module, "ring", rung.append)
    who = caller_of(agent("", world, world.tenant.customers[0]))

    async def names(_: Caller) -> tuple[str, ...]:
        return ("another",)

    async def watch() -> None:
        told = asyncio.Event()
        watching = asyncio.create_task(_watched(Streams(names), who, told))
        await asyncio.wait_for(told.wait(), 20)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watching, 0.5)

    in_a_thread(asyncio.run, watch())

    assert rung == [who.claims.tenant_id]
