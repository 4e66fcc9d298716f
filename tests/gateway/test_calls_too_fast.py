"""How fast calls may come, at the door: whose limit refuses what, and what a refusal uses up."""

import json

import pytest

from identity.roles import Role
from identity.services import disable_principal
from tenants.models import Customer, Entitlement
from tests.connectors.factories import connect
from tests.gateway.door import Door, agent, refusal
from tests.identity.factories import SETUP, make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def test_a_flood_is_told_when_to_come_back(door, world):
    with world.tenant.acting():
        Entitlement.objects.update(calls_per_minute=6)

    first, *rest = [door.call(LIST, limit=1) for _ in range(3)]

    assert "structuredContent" in first
    assert [refusal(answer)["code"] for answer in rest] == ["rate_limited"] * 2
    assert all(0 < refusal(answer)["retry_after"] <= 10 for answer in rest)


def test_what_an_earlier_gate_refuses_uses_nothing_of_the_rate(door, gateway_url, world):
    """Or an agent that may not call could keep those out that may."""
    with world.tenant.acting():
        Entitlement.objects.update(calls_per_minute=6)
    disabled = make_machine(world.tenant, Role.OPERATOR)
    withdrawn = Door(gateway_url, disabled.token())
    with world.tenant.acting():
        disable_principal(disabled.id, by=SETUP)

    assert [withdrawn.call(LIST, limit=1)["code"] for _ in range(2)] == [401, 401]
    assert refusal(door.call(LIST, limit=0))["code"] == "invalid_arguments"

    assert "structuredContent" in door.call(LIST, limit=1)


def limit(world, number: int, **limits: int) -> Customer:
    """A customer of the tenant, which one, with limits of its own."""
    customer = world.tenant.customers[number]
    with world.tenant.acting():
        Customer.objects.filter(id=customer.pk).update(**limits)
    return customer


def test_a_customer_that_is_too_fast_for_its_own_limit_holds_up_no_other(gateway_url, world, vendor):
    first = limit(world, 0, calls_per_minute=6)
    everywhere = Door(gateway_url, make_machine(world.tenant, Role.OPERATOR).token())

    answers = [everywhere.call(LIST, limit=1, customer=first.key) for _ in range(3)]
    other = everywhere.call(LIST, limit=1, customer=world.tenant.customers[1].key)

    assert "structuredContent" in answers[0]
    assert [refusal(each)["code"] for each in answers[1:]] == ["rate_limited"] * 2
    assert all(0 < refusal(each)["retry_after"] <= 10 for each in answers[1:])
    assert f"for {first.key}, which is its own limit" in json.dumps(answers[1])
    assert "structuredContent" in other
    limit(world, 0, calls_per_minute=None)
    assert "structuredContent" in everywhere.call(LIST, limit=1, customer=first.key)


def only_one_call_a_minute(world) -> None:
    """For the whole plan: the next one comes long after the test."""
    with world.tenant.acting():
        Entitlement.objects.update(calls_per_minute=1)


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"calls_per_minute": 1}, "rate_limited"), ({"monthly_calls": 1}, "customer_limit_reached")],
    ids=["of a minute", "of a month, which only the reservation knows, after the rate"],
)
def test_calls_that_a_customers_own_limit_refuses_leave_the_plans_rate_to_the_others(
    gateway_url, world, vendor, limits, code
):
    first, second = limit(world, 0, **limits), world.tenant.customers[1]
    everywhere = Door(gateway_url, make_machine(world.tenant, Role.OPERATOR).token())
    assert "structuredContent" in everywhere.call(LIST, limit=1, customer=first.key)
    only_one_call_a_minute(world)

    refused = [everywhere.call(LIST, limit=1, customer=first.key) for _ in range(3)]

    assert [refusal(each)["code"] for each in refused] == [code] * 3
    assert "structuredContent" in everywhere.call(LIST, limit=1, customer=second.key)


def test_nobody_uses_up_or_learns_of_the_rate_of_a_customer_that_is_not_theirs(door, gateway_url, world, vendor):
    other = limit(world, 1, calls_per_minute=6)

    refused = [door.call(LIST, limit=1, customer=name) for name in (other.key, str(other.pk), "nobody") for _ in "ab"]
    theirs = agent(gateway_url, world, other).call(LIST, limit=1)

    assert {refusal(each)["code"] for each in refused} == {"customer_not_in_scope"}
    assert "structuredContent" in theirs
