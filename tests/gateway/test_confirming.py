"""A person's client is asked where the policy says so, and what it confirms is done once. Through real processes."""

import json
import time

import pytest
import redis

from connectors.models import ToolCall
from msplex.dispatch import line
from msplex.gateway import handles
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.conftest import stack_redis
from tests.connectors.factories import let_through
from tests.connectors.vendor import notes
from tests.gateway.asked import ADD, NOTE, token_of, world_that_asks
from tests.gateway.door import Door, agent, refusal
from tests.oauth.flow import bob
from tests.processes import gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
CAN_ASK = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
YES = {"confirm": {"action": "accept", "content": {"confirm": True}}}


@pytest.fixture
def world(vendor):
    return world_that_asks(vendor)


@pytest.fixture
def door(gateway_url, world):
    return of_person(gateway_url, bob(world.tenant), world)


def of_person(url, person, world) -> Door:
    return Door(url, token_of(person, world))


def call(door, can=CAN_ASK, arguments=NOTE, name=ADD, meta=None, **more):
    answer = door.post_with(can | (meta or {}), "tools/call", {"name": name, "arguments": arguments, **more}).json()
    return answer.get("result") or answer["error"]


def test_the_client_is_asked_and_the_same_call_with_the_answer_runs_once(door, world, vendor):
    asked = call(door)
    said = asked["inputRequests"]["confirm"]

    assert (asked["resultType"], said["method"]) == ("input_required", "elicitation/create")
    assert "Restarted the spooler" in said["params"]["message"]
    assert world.tenant.customers[0].name in said["params"]["message"]
    assert said["params"]["requestedSchema"]["required"] == ["confirm"]
    assert notes(vendor) == 0
    done = call(door, inputResponses=YES, requestState=asked["requestState"])
    again = call(door, inputResponses=YES, requestState=asked["requestState"])

    assert done["isError"] is False, done
    assert notes(vendor) == 1
    assert again["_meta"]["io.msplex/repeated"] is True
    with world.tenant.acting():
        codes = list(ToolCall.objects.order_by("id").values_list("state", "code"))
        ran = ToolCall.objects.get(state="succeeded")
    assert codes == [("refused", "confirmation_required"), ("succeeded", ""), ("refused", "already_done")]
    assert [each["detail"] for each in ran.verdicts if each["gate"] == "check_approval"] == ["confirmed by the caller"]


def test_another_process_of_the_gateway_opens_the_state(door, world, vendor):
    asked = call(door)
    with gateway(stack_redis()) as url:
        done = call(Door(url, door.token), inputResponses=YES, requestState=asked["requestState"])

    assert (done["isError"], notes(vendor)) == (False, 1)


def test_a_call_that_is_named_keeps_its_name_through_the_question(door, vendor):
    named = {"io.msplex/idempotency-key": "3f1c7a52-0f4e-4a52"}
    asked = call(door, meta=named)
    done = call(door, meta=named, inputResponses=YES, requestState=asked["requestState"])
    again = call(door, meta=named)
    unnamed = call(door, inputResponses=YES, requestState=asked["requestState"])

    assert (done["isError"], again["isError"]) == (False, False)
    assert again["_meta"]["io.msplex/repeated"] is True
    assert unnamed["resultType"] == "input_required", "the state is good for the call of that name alone"
    assert notes(vendor) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "decline"}, {"action": "cancel"}, {"action": "accept", "content": {"confirm": False}},
        {"action": "accept", "content": {}}, {"action": "accept", "content": {"confirm": "true"}},
    ],
)  # fmt: skip
def test_what_is_not_a_yes_is_a_no(door, vendor, answer):
    state = call(door)["requestState"]

    said = call(door, inputResponses={"confirm": answer}, requestState=state)

    assert refusal(said)["code"] == "approval_rejected"
    assert notes(vendor) == 0


def _turned(state: str) -> str:
    place = len(state) // 2
    return state[:place] + ("A" if state[place] != "A" else "B") + state[place + 1 :]


FORGERIES = {
    "turned": _turned,
    "nothing": lambda _: "",
    "in clear": lambda _: json.dumps(["00" * 16, ""]),
    "of another kind": lambda _: handles.base64.urlsafe_b64encode(b"x" * 80).decode(),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_state_that_is_not_ours_confirms_nothing(door, vendor, forge):
    state = call(door)["requestState"]

    said = call(door, inputResponses=YES, requestState=forge(state))

    assert said.get("code") == -32602 or said["resultType"] == "input_required"
    assert notes(vendor) == 0


def test_an_answer_without_a_state_confirms_nothing(door, vendor):
    assert call(door, inputResponses=YES)["resultType"] == "input_required"
    assert notes(vendor) == 0


def test_a_state_is_for_its_person_agent_tool_and_arguments(gateway_url, door, world, vendor):
    state = call(door)["requestState"]
    person = bob(world.tenant)
    others = {
        "another person": lambda: call(of_person(gateway_url, person, world), inputResponses=YES, requestState=state),
        "other arguments": lambda: call(
            door, arguments=NOTE | {"note": "x"}, inputResponses=YES, requestState=state
        ),
        "another tool": lambda: call(door, name="halopsa_list_tickets", inputResponses=YES, requestState=state),
    }  # fmt: skip

    for what, tried in others.items():
        assert tried().get("code") == -32602, what
    assert notes(vendor) == 0


def test_a_state_is_good_for_ten_minutes(door, vendor, monkeypatch):
    """Sealed here, as an older process would have, with the deployment's key."""
    from mcp.server import request_state  # noqa: PLC0415

    codec = request_state.AESGCMRequestStateCodec([handles.derived_key(handles.REQUEST_STATE)])
    claims = json.loads(codec.unseal(call(door)["requestState"]))
    assert claims["exp"] - claims["iat"] == 600
    claims["exp"] = time.time() - 1

    said = call(door, inputResponses=YES, requestState=codec.seal(json.dumps(claims).encode()))

    assert said["code"] == -32602
    assert notes(vendor) == 0


def test_who_cannot_be_asked_waits_for_another_person(gateway_url, door, world, vendor):
    machine = agent(gateway_url, world, world.tenant.customers[0])

    assert refusal(call(door, can={}))["code"] == "approval_required"
    assert refusal(call(machine))["code"] == "approval_required", "automation has nobody to ask"
    assert notes(vendor) == 0


@pytest.mark.parametrize(("detail", "sent"), [("", 0), ("confirmed by the caller", 1)])
def test_the_broker_asks_whether_the_caller_has_confirmed_it(door, world, vendor, detail, sent):
    """The row as the gateway, or whoever can write rows, leaves it."""
    asked = call(door)
    assert call(door, inputResponses=YES, requestState=asked["requestState"])["isError"] is False
    vendor.reset()
    with world.tenant.acting():
        row = ToolCall.objects.get(state="succeeded")
        passed = {"gate": "check_approval", "ok": True, "code": "", "detail": detail}
        row.id, row.state, row.verdicts = uuid7(), ToolCall.State.QUEUED, [passed]
        row.started_at = row.finished_at = None
        let_through(row, row.instance)
    with acting_for(Context(world.tenant.id, (row.customer_id,))):
        line.send(row.id, redis.Redis.from_url(stack_redis()))
    door.call("halopsa_list_tickets", limit=1)

    deadline = time.monotonic() + 30
    while (state := state_of(world, row.id)) in {"queued", "running"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert state == ("succeeded" if sent else "failed")
    assert notes(vendor) == sent


def state_of(world, call_id) -> str:
    with world.tenant.acting():
        return ToolCall.objects.values_list("state", flat=True).get(id=call_id)
