"""A change that the agent has named is made once: `io.msplex/idempotency-key`. Through real processes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from approvals.models import ApprovalRequest, ToolRule
from connectors.models import IdempotencyKey, ToolCall
from identity.roles import Role
from msplex.gateway.repeating import KEPT, RESULT_KEPT, forget
from tests.approvals.asking import approve
from tests.conftest import as_role, stack_redis
from tests.connectors.factories import connect
from tests.connectors.vendor import notes
from tests.gateway.door import Door, agent, refusal
from tests.identity.factories import make_member
from tests.processes import gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
ADD, NOTE, LIST = "halopsa_add_note", {"ticket_id": 11003, "note": "Restarted the spooler"}, "halopsa_list_tickets"
KEY = "3f1c7a52-0f4e-4a52-9d5e-2f5a4f7b1c11"


@pytest.fixture
def world(vendor):
    world = connect(vendor)
    with world.tenant.acting():
        ToolRule.objects.create(position=1, name="Notes", effect="allow", tool=ADD)
    vendor.reset()
    return world


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def call(door: Door, key: Any = KEY, name: str = ADD, **arguments: Any) -> dict[str, Any]:
    body = {"name": name, "arguments": arguments or NOTE}
    answer = door.post_with({"io.msplex/idempotency-key": key}, "tools/call", body).json()
    return answer.get("result") or answer["error"]


def test_the_same_change_again_is_answered_as_it_was_and_not_sent(door, world, vendor):
    first, again = call(door), call(door)

    assert notes(vendor) == 1
    assert first["isError"] is again["isError"] is False, (first, again)
    assert again["structuredContent"] == first["structuredContent"]
    assert again["_meta"]["io.msplex/repeated"] is True
    assert again["_meta"]["io.msplex/call_id"] == first["_meta"]["io.msplex/call_id"]
    with world.tenant.acting():
        states = list(ToolCall.objects.order_by("id").values_list("state", "code"))
    assert states == [("succeeded", ""), ("refused", "already_done")]


def test_without_a_name_or_with_another_it_is_another_change(door, vendor):
    call(door)

    assert call(door, "another-key-0001")["isError"] is False
    assert door.call(ADD, **NOTE)["isError"] is False
    assert notes(vendor) == 3


def test_another_change_under_the_same_name_is_refused(door, vendor):
    call(door)

    assert refusal(call(door, **NOTE | {"note": "Something else"}))["code"] == "key_reused"
    assert notes(vendor) == 1


def test_many_at_once_through_two_gateways_make_one_change(door, vendor):
    with gateway(stack_redis()) as second:
        other = Door(second, door.token)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda each: call((door, other)[each % 2]), range(30)))

    assert notes(vendor) == 1
    fresh = [answer for answer in answers if answer.get("isError") is False]
    assert len([answer for answer in fresh if "io.msplex/repeated" not in answer["_meta"]]) == 1
    others = {refusal(answer)["code"] for answer in answers if answer.get("isError") is not False}
    assert others <= {"already_running", "already_done", "busy"}


def test_a_change_that_was_not_made_may_be_asked_for_again(door, vendor):
    vendor.behave("forbidden")
    assert call(door)["isError"] is True
    vendor.behave("honest")

    assert call(door)["isError"] is False
    assert notes(vendor) == 1


def test_a_change_that_nobody_knows_of_is_not_sent_again(door, world, vendor):
    call(door)
    with as_role("worker"), world.tenant.acting():
        ToolCall.objects.filter(state="succeeded").update(state="unknown")

    answer = refusal(call(door))

    assert (answer["code"], answer["retryable"]) == ("outcome_unknown", False)
    assert notes(vendor) == 1


def test_one_that_runs_is_not_sent_again(door, world, vendor):
    call(door)
    with as_role("worker"), world.tenant.acting():
        ToolCall.objects.filter(state="succeeded").update(state="running")

    assert refusal(call(door))["code"] == "already_running"
    assert notes(vendor) == 1


def test_a_name_is_its_principals_own(gateway_url, door, world, vendor):
    call(door)

    answer = call(agent(gateway_url, world, world.tenant.customers[0]))

    assert "io.msplex/repeated" not in answer["_meta"]
    assert notes(vendor) == 2


def test_a_name_is_for_one_customer(gateway_url, world):
    """Or a change for one would be taken for that of another."""
    everywhere, (one, other) = agent(gateway_url, world), world.tenant.customers[:2]
    call(everywhere, **NOTE, customer=one.key)

    again = call(everywhere, ticket_id=12003, note=NOTE["note"], customer=other.key)

    assert again["isError"] is False, again
    assert "io.msplex/repeated" not in again["_meta"]


def test_reading_holds_nothing(door, world):
    first, again = call(door, KEY, LIST, limit=1), call(door, KEY, LIST, limit=1)

    assert first["isError"] is again["isError"] is False
    with world.tenant.acting():
        assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("key", ["short", "with a space", "x" * 129, "", 7, ["a-list-of-them"]])
def test_a_name_that_is_none_is_refused(door, vendor, key):
    assert refusal(call(door, key))["code"] == "invalid_arguments"
    assert notes(vendor) == 0


def test_people_are_not_asked_again_for_what_was_done(door, world, vendor):
    with world.tenant.acting():
        ToolRule.objects.update(effect="approval", approvers=1)
    call(door)
    with world.tenant.acting():
        request = ApprovalRequest.objects.get()
    approve(make_member(world.tenant, Role.ADMIN), request)
    first = call(door)

    assert first["isError"] is False, first
    assert call(door)["structuredContent"] == first["structuredContent"]
    assert notes(vendor) == 1
    with world.tenant.acting():
        assert ApprovalRequest.objects.count() == 1


def test_what_is_kept_is_sealed_with_the_name_and_ends(door, world, vendor):
    first = call(door)
    with world.tenant.acting():
        kept = IdempotencyKey.objects.get()
    assert NOTE["note"].encode() not in bytes(kept.result)
    assert KEY not in str(vars(kept))

    def later(passed: timedelta) -> list[bool]:
        with as_role("worker"), world.tenant.acting():
            forget(datetime.now(UTC) + passed + timedelta(minutes=1))
            return [kept.result is not None for kept in IdempotencyKey.objects.all()]

    assert later(timedelta()) == [True]
    assert later(RESULT_KEPT) == [False]
    answer = refusal(call(door))
    assert (answer["code"], notes(vendor)) == ("already_done", 1)
    assert first["_meta"]["io.msplex/call_id"] in call(door)["content"][0]["text"]
    assert later(KEPT) == []
