"""What a call of one's own has met, asked for later; and of nobody else's."""

import pytest
from django.conf import settings

from connectors.models import ToolCall
from identity.roles import Role
from identity.tokens import read_access_token
from msplex.gateway.callers import Caller, Waiter
from msplex.gateway.calls import begin_call
from msplex.gateway.explaining import explained
from tests.connectors.factories import connect
from tests.gateway.door import Door, agent, refusal

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"


@pytest.fixture
def world(vendor):
    return connect(vendor)


def caller_of(door: Door) -> Caller:
    return Caller(read_access_token(door.token, audience=settings.GATEWAY_RESOURCE))


def test_a_denial_is_told_gate_by_gate_as_it_was(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])
    call = refusal(door.call(LIST, limit="many"))["call_id"]

    told = door.post("io.msplex/explain", {"callId": call}).json()["result"]

    assert (told["callId"], told["state"], told["code"]) == (call, "refused", "invalid_arguments")
    assert [each["gate"] for each in told["verdicts"] if not each["ok"]] == ["evaluate_policy"]
    assert len(told["verdicts"]) == 8
    assert told["remedy"]


def test_nobody_elses_and_none_that_was_never_made(gateway_url, world, vendor):
    door = agent(gateway_url, world, world.tenant.customers[0])
    call = refusal(door.call(LIST, limit="many"))["call_id"]
    other = agent(gateway_url, world, world.tenant.customers[0])
    stranger = agent(gateway_url, foreign := connect(vendor), foreign.tenant.customers[0])

    answers = [each.post("io.msplex/explain", {"callId": call}) for each in (other, stranger)]
    answers += [door.post("io.msplex/explain", {"callId": each}) for each in ("x", str(world.tenant.id))]

    assert {answer.json()["error"]["message"] for answer in answers} == {"Unknown call"}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("halopsa_add_note", {"ticket_id": 11003, "note": "x"}), ("halopsa_no_such", {"ticket_id": 1})],
)
def test_a_tool_that_the_caller_may_not_know_of_stays_unknown(world, gateway_url, name, arguments):
    door = agent(gateway_url, world, world.tenant.customers[0], role=Role.VIEWER)
    begun = begin_call(caller_of(door), name, arguments, Waiter("nobody", b"x" * 32))

    assert begun.decision.hidden
    assert explained(caller_of(door), str(begun.call_id)) is None
    with world.tenant.acting():
        assert ToolCall.objects.filter(id=begun.call_id).exists()
