"""From an agent's call that has to wait, by way of people, to the vendor: through real processes, and once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from approvals.models import ApprovalRequest, ExecutionGrant
from approvals.voting import reject
from audit.kinds import EventKind
from audit.models import Event
from connectors.models import CustomerMapping, ToolCall
from identity.roles import Role
from identity.selectors import acting_principal
from msplex.dispatch import line
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import approve, demote
from tests.conftest import stack_redis
from tests.connectors.factories import connect
from tests.connectors.vendor import notes
from tests.gateway.door import Door, agent, refusal
from tests.identity.factories import acting_as, make_member
from tests.processes import gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
ADD, NOTE = "halopsa_add_note", {"ticket_id": 11003, "note": "Restarted the spooler"}
State = ApprovalRequest.State


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def request_of(world) -> ApprovalRequest:
    with world.tenant.acting():
        return ApprovalRequest.objects.latest("id")


def approved(door: Door, world) -> ApprovalRequest:
    door.call(ADD, **NOTE)
    request = request_of(world)
    assert approve(make_member(world.tenant, Role.ADMIN), request)
    return request


def test_the_same_call_again_runs_once_it_is_approved_and_then_waits_anew(door, world, vendor):
    first, again = door.call(ADD, **NOTE), door.call(ADD, **NOTE)
    request = request_of(world)
    assert refusal(first)["approval_request"] == refusal(again)["approval_request"] == str(request.id)
    vendor.reset()
    assert approve(make_member(world.tenant, Role.ADMIN), request)

    answer = door.call(ADD, **NOTE)

    assert answer["isError"] is False, answer
    assert notes(vendor) == 1
    assert request_of(world).state == State.EXECUTED
    with world.tenant.acting():
        call = ToolCall.objects.get(state="succeeded")
        kinds = list(Event.objects.filter(call_id=call.id).order_by("id").values_list("kind", flat=True))
    assert (call.approval_id, request_of(world).call_id) == (request.id, call.id)
    assert kinds[:2] == [EventKind.CALL_INTENDED, EventKind.APPROVAL_GRANTED]
    third = door.call(ADD, **NOTE)
    assert refusal(third)["code"] == "approval_required"
    assert refusal(third)["approval_request"] != str(request.id)
    assert notes(vendor) == 1


def test_fifty_calls_at_once_through_two_gateways_run_one(door, world, vendor):
    approved(door, world)
    vendor.reset()

    with gateway(stack_redis()) as second:
        other = Door(second, door.token)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda each: (door, other)[each % 2].call(ADD, **NOTE), range(50)))

    assert notes(vendor) == 1
    assert sum(answer.get("isError") is False for answer in answers) == 1
    with world.tenant.acting():
        assert ExecutionGrant.objects.count() == 1
        assert ToolCall.objects.filter(state="succeeded").count() == 1


def test_redelivery_runs_nothing_again(door, world, vendor):
    approved(door, world)
    vendor.reset()
    door.call(ADD, **NOTE)
    with world.tenant.acting():
        call = ToolCall.objects.get(state="succeeded")

    with acting_for(Context(world.tenant.id, (call.customer_id,))):
        for _ in range(5):
            line.send(call.id, redis.Redis.from_url(stack_redis()))
    door.call("halopsa_list_tickets", limit=1)

    assert notes(vendor) == 1


def test_another_agent_of_the_same_tenant_cannot_use_it(gateway_url, door, world, vendor):
    request = approved(door, world)
    vendor.reset()

    answer = agent(gateway_url, world, world.tenant.customers[0]).call(ADD, **NOTE)

    assert refusal(answer)["approval_request"] != str(request.id)
    assert refusal(door.call(ADD, **NOTE | {"note": "Something else"}))["approval_request"] != str(request.id)
    assert notes(vendor) == 0


def test_a_rejection_is_told_with_its_reason(door, world):
    door.call(ADD, **NOTE)
    request, bob = request_of(world), make_member(world.tenant, Role.OPERATOR, name="bob")
    with acting_as(bob):
        reject(request, principal=acting_principal(bob.id), reason="Not during payroll", by=bob.actor)

    answer = door.call(ADD, **NOTE)

    assert refusal(answer)["code"] == "approval_rejected"
    assert "Not during payroll" in answer["content"][0]["text"]


def test_an_approval_that_nobody_stands_behind_any_more_is_void_and_the_next_call_asks_anew(door, world, vendor):
    door.call(ADD, **NOTE)
    request, alice = request_of(world), make_member(world.tenant, Role.ADMIN)
    approve(alice, request)
    demote(alice)
    vendor.reset()

    void, anew = door.call(ADD, **NOTE), door.call(ADD, **NOTE)

    assert (refusal(void)["code"], refusal(void)["gate"]) == ("approval_void", "check_approval")
    assert (refusal(anew)["code"], refusal(anew)["approval_request"] != str(request.id)) == ("approval_required", True)
    assert notes(vendor) == 0


def test_an_approval_for_another_client_at_the_vendor_is_void(door, world, vendor):
    approved(door, world)
    with world.tenant.acting():
        CustomerMapping.objects.filter(customer=world.tenant.customers[0]).update(external_id="99")

    answer = door.call(ADD, **NOTE)

    assert (refusal(answer)["code"], refusal(answer)["gate"]) == ("approval_void", "check_approval")
    assert "mapped" in answer["content"][0]["text"]


def test_without_a_queue_the_approval_is_given_back(door, world, vendor):
    request = approved(door, world)
    vendor.reset()
    with gateway("redis://127.0.0.1:1") as url:
        assert refusal(Door(url, door.token).call(ADD, **NOTE))["code"] == "busy"
    with world.tenant.acting():
        found = ApprovalRequest.objects.get(id=request.id)
    assert (found.state, found.call_id) == (State.APPROVED, None)

    assert door.call(ADD, **NOTE)["isError"] is False
    assert notes(vendor) == 1


def test_reason_and_ticket_go_with_the_request(door, world):
    meta = {"io.msplex/reason": "Printer is stuck", "io.msplex/ticket": "T-17"}
    body = {"name": ADD, "arguments": NOTE}

    door.post_with(meta, "tools/call", body)

    request = request_of(world)
    assert (request.reason, request.ticket) == ("Printer is stuck", "T-17")
