"""A person's client of a handshake revision is asked in the middle of its call, and its answer finds the call wherever
it arrives: once, in time, and from nobody else. Through real processes."""

import time
import uuid

import anyio
import httpx2
import pytest
import redis
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

from connectors.models import ToolCall
from tests.conftest import stack_redis
from tests.connectors.factories import connect
from tests.connectors.vendor import notes
from tests.gateway.asked import ADD, NOTE, token_of, world_that_asks
from tests.gateway.door import agent, in_a_thread, refusal
from tests.gateway.handshake import Handshake
from tests.oauth.flow import bob
from tests.processes import gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
YES = {"action": "accept", "content": {"confirm": True}}


@pytest.fixture
def world(vendor):
    return world_that_asks(vendor)


@pytest.fixture
def token(world):
    return token_of(bob(world.tenant), world)


@pytest.fixture
def client(gateway_url, token):
    return Handshake.begun(gateway_url, token)


def codes(world) -> list[tuple[str, str]]:
    with world.tenant.acting():
        return list(ToolCall.objects.order_by("id").values_list("state", "code"))


def waiting_questions() -> int:
    return len(redis.Redis.from_url(stack_redis()).keys("msplex:question:*"))


def test_what_the_person_says_yes_to_runs_once_and_is_on_record(client, world, vendor):
    with client.calling(ADD, NOTE) as said:
        asked = next(said)
        assert notes(vendor) == 0
        taken = client.answer(asked, result=YES)
        done = next(said)["result"]

    assert asked["method"] == "elicitation/create"
    assert "Restarted the spooler" in asked["params"]["message"]
    assert world.tenant.customers[0].name in asked["params"]["message"]
    assert (taken.status_code, taken.content) == (202, b"")
    assert done["isError"] is False, done
    assert notes(vendor) == 1
    assert codes(world) == [("refused", "confirmation_required"), ("succeeded", "")]
    with world.tenant.acting():
        ran = ToolCall.objects.get(state="succeeded")
    assert [each["detail"] for each in ran.verdicts if each["gate"] == "check_approval"] == ["confirmed by the caller"]


@pytest.mark.parametrize(
    "answer",
    [
        {"result": {"action": "decline"}}, {"result": {"action": "cancel"}}, {"result": {"action": "accept"}},
        {"result": {"action": "accept", "content": {"confirm": False}}},
        {"result": {"action": "accept", "content": {"confirm": "true"}}},
        {"error": {"code": -32601, "message": "Method not found"}},
    ],
)  # fmt: skip
def test_what_is_not_a_yes_is_a_no(client, world, vendor, answer):
    with client.calling(ADD, NOTE) as said:
        client.answer(next(said), **answer)
        result = next(said)["result"]

    assert refusal(result)["code"] == "approval_rejected"
    assert codes(world)[-1] == ("refused", "approval_rejected")
    assert notes(vendor) == 0


def test_the_answer_may_reach_another_process(client, vendor):
    with gateway(stack_redis()) as other, client.calling(ADD, NOTE) as said:
        assert client.answer(next(said), other, result=YES).status_code == 202
        assert next(said)["result"]["isError"] is False

    assert notes(vendor) == 1


def test_answers_to_nothing_and_of_others_are_refused_alike_and_take_nothing_away(
    gateway_url, client, token, world, vendor
):
    person = bob(world.tenant)
    others = {
        "another person": Handshake.begun(gateway_url, token_of(person, world)),
        "another agent of the person": Handshake.begun(gateway_url, token_of(person, world)),
        "automation": Handshake(gateway_url, agent(gateway_url, world, world.tenant.customers[0]).token),
        "another tenant": Handshake(gateway_url, agent(gateway_url, connect(vendor)).token),
    }
    with client.calling(ADD, NOTE) as said:
        asked = next(said)
        refused = {who: other.answer(asked, result=YES) for who, other in others.items()}
        refused["unknown"] = client.answer({"id": str(uuid.uuid4())}, result=YES)
        refused["no id of ours"] = client.answer({"id": 7}, result=YES)
        refused["too long"] = client.answer(asked, result={**YES, "more": "x" * 2000})
        assert notes(vendor) == 0
        assert client.answer(asked, result=YES).status_code == 202
        refused["again"] = client.answer(asked, result=YES)
        assert next(said)["result"]["isError"] is False

    assert {who: (each.status_code, each.content) for who, each in refused.items()} == dict.fromkeys(
        refused, (400, b"")
    )
    assert notes(vendor) == 1


def test_who_did_not_say_that_it_can_be_asked_waits_for_another_person(gateway_url, client, token, world, vendor):
    stranger = Handshake.begun(gateway_url, token_of(bob(world.tenant), world))
    sessions = {
        "no form": Handshake.begun(gateway_url, token, {"elicitation": {"url": {}}}),
        "nothing": Handshake.begun(gateway_url, token, {}),
        "no session": Handshake(gateway_url, token),
        "a session of another person": Handshake(gateway_url, token, stranger.session),
        "a session of its own making": Handshake(gateway_url, token, "x" * len(client.session)),
    }

    for what, each in sessions.items():
        assert refusal(each.call(ADD, NOTE))["code"] == "approval_required", what
    assert notes(vendor) == 0


def test_automation_has_nobody_to_ask(gateway_url, world, vendor):
    machine = Handshake.begun(gateway_url, agent(gateway_url, world, world.tenant.customers[0]).token)

    assert refusal(machine.call(ADD, NOTE))["code"] == "approval_required"
    assert notes(vendor) == 0


def test_a_client_that_leaves_is_not_waited_for_and_its_answer_comes_too_late(client, world, vendor):
    with client.calling(ADD, NOTE) as said:
        asked = next(said)
        assert waiting_questions() == 1

    deadline = time.monotonic() + 20
    while waiting_questions():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.answer(asked, result=YES).status_code == 400
    assert codes(world) == [("refused", "confirmation_required")]
    assert notes(vendor) == 0


def test_a_call_that_is_named_is_made_once_however_often_it_is_confirmed(client, vendor):
    named = {"io.msplex/idempotency-key": "3f1c7a52-0f4e-4a52"}
    with client.calling(ADD, NOTE, _meta=named) as said:
        client.answer(next(said), result=YES)
        first = next(said)["result"]
    again = client.call(ADD, NOTE, _meta=named)

    assert first["isError"] is False
    assert again["_meta"]["io.msplex/repeated"] is True
    assert notes(vendor) == 1


def test_the_official_client_asks_its_person(gateway_url, token, vendor):
    asked = []

    async def confirm(_context, params):
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirm": True})

    async def use():
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            streamable_http_client(gateway_url, http_client=http) as (read, write, *_),
            ClientSession(read, write, elicitation_callback=confirm) as session,
        ):
            await session.initialize()
            return await session.call_tool(ADD, NOTE)

    result = in_a_thread(anyio.run, use)

    assert (result.is_error, len(asked), notes(vendor)) == (False, 1, 1)


def test_a_stream_that_nobody_asked_for_is_not_opened(client):
    with httpx2.Client(trust_env=False, timeout=20) as http:
        answer = http.get(client.url, headers={**client._headers(), "Accept": "text/event-stream"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
