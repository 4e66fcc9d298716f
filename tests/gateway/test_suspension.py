"""A vendor answers a tool with rows of others, again and again: the tool is gone until a person has looked."""

import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audit.kinds import EventKind
from audit.models import Alert, Event
from connectors.models import ConnectorInstance, Pause, ToolCall
from connectors.pauses import FOREIGN_CALLS, open_pauses, resume_risky_tools
from identity.roles import Role
from msplex import execution
from msplex.decision.snapshot import snapshot
from tests.conftest import as_role
from tests.connectors.factories import ALICE, connect
from tests.gateway.door import agent, refusal
from tests.gateway.test_outcomes import answers, as_the_message, queued, run
from tests.identity.factories import make_machine, make_person

TOOL = "list_tickets"
FOREIGN = execution.Outcome(ToolCall.State.SUCCEEDED, rows_returned=1, rows_dropped=7, rows_foreign=7, answered=True)
HONEST = dataclasses.replace(FOREIGN, rows_dropped=0, rows_foreign=0)


def finish(world: Any, outcome: execution.Outcome = FOREIGN) -> ToolCall:
    """A call of the list of tickets that has ended so."""
    call = queued(world)
    with as_role("broker"), as_the_message(world, call):
        assert execution._finish(call, outcome)
    return call


def suspended(world: Any) -> bool:
    with as_role("app"), world.tenant.acting():
        return (world.instance.pk, TOOL) in snapshot().suspended


def change(statement: str, *values: Any, world: Any) -> None:
    with as_role("migrator"), world.tenant.acting(), connection.cursor() as cursor:
        cursor.execute("SET ROLE msplex_owner")
        cursor.execute(statement, values)


def resume(world: Any) -> None:
    with as_role("app"), world.tenant.acting():
        newest = open_pauses(world.instance).first()
        resume_risky_tools(world.instance, through=newest.pk, reason="They have mended it.", by=ALICE)


def test_the_third_call_with_rows_of_others_suspends_the_tool_in_its_own_transaction(connected, broker):
    for _ in range(FOREIGN_CALLS - 1):
        finish(connected)
    assert not suspended(connected)
    last = finish(connected)
    finish(connected)

    assert suspended(connected)
    with as_role("app"), connected.tenant.acting():
        pause, event = Pause.objects.get(), Event.objects.get(kind=EventKind.TOOL_SUSPENDED)
        assert (pause.call_id, pause.tool, pause.why) == (last.id, TOOL, Pause.Why.FOREIGN_ROWS)
        assert (event.call_id, event.customer_id, event.facts["calls"], event.facts["rows"]) == (last.id, None, 3, 21)
        assert Alert.objects.get().kind == "foreign_rows"


def test_a_call_that_is_not_recorded_suspends_nothing(connected, broker, monkeypatch):
    finish(connected)
    finish(connected)
    call = queued(connected)

    def fails(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(execution, "suspend_if_foreign", lambda *given: fails(execution_of(*given)))
    with as_role("broker"), as_the_message(connected, call), pytest.raises(RuntimeError):
        execution._finish(call, FOREIGN)

    assert not suspended(connected)


def execution_of(*given: Any) -> None:
    from connectors.pauses import suspend_if_foreign  # noqa: PLC0415

    suspended_now = suspend_if_foreign(*given)
    assert suspended_now is not None
    suspended_now.confirm()


@pytest.mark.parametrize("before", [FOREIGN_CALLS - 2, FOREIGN_CALLS - 1])
def test_of_two_brokers_that_end_calls_at_once_one_suspends_it(connected, broker, monkeypatch, before: int):
    """Neither sees what the other has not committed: with two calls before, both would; with one, neither."""
    for _ in range(before):
        finish(connected)
    calls, both, real = [queued(connected), queued(connected)], threading.Barrier(2), execution.suspend_if_foreign

    def together(*given: Any) -> Any:
        both.wait(timeout=20)
        return real(*given)

    monkeypatch.setattr(execution, "suspend_if_foreign", together)
    ended: list[bool] = []

    def end(call: ToolCall) -> None:
        with as_role("broker"), as_the_message(connected, call):
            ended.append(execution._finish(call, FOREIGN))
        connection.close()

    threads = [threading.Thread(target=end, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert ended == [True, True]
    assert suspended(connected)
    with as_role("app"), connected.tenant.acting():
        assert Pause.objects.count() == 1
        assert Event.objects.filter(kind=EventKind.TOOL_SUSPENDED).count() == 1


def test_what_is_long_ago_of_another_tool_or_another_connection_does_not_count(connected, broker):
    old, other, elsewhere = finish(connected), finish(connected), finish(connected)
    assert suspended(connected)
    resume(connected)
    change("UPDATE connectors_pause SET lifted_at = %s", datetime.now(UTC) - timedelta(days=1), world=connected)
    hours_ago = datetime.now(UTC) - timedelta(hours=2)
    change("UPDATE connectors_toolcall SET finished_at = %s WHERE id = %s", hours_ago, old.id, world=connected)
    change("UPDATE connectors_toolcall SET tool = 'list_users' WHERE id = %s", other.id, world=connected)
    with as_role("app"), connected.tenant.acting():
        second = ConnectorInstance.objects.create(connector="halopsa", slug="second", name="Second")
    change("UPDATE connectors_toolcall SET instance_id = %s WHERE id = %s", second.id, elsewhere.id, world=connected)

    finish(connected)
    finish(connected)
    assert not suspended(connected)
    finish(connected)
    assert suspended(connected)


def test_an_honest_answer_counts_nothing_and_asks_nothing(connected, broker, monkeypatch):
    monkeypatch.setattr(execution, "suspend_if_foreign", None)

    for _ in range(FOREIGN_CALLS):
        finish(connected, HONEST)

    assert not suspended(connected)


def test_whoever_resumes_it_gives_it_as_many_calls_again(connected, broker):
    for _ in range(FOREIGN_CALLS):
        finish(connected)
    resume(connected)
    with as_role("app"), connected.tenant.acting():
        told = Event.objects.filter(kind=EventKind.INSTANCE_RESUMED).latest("id").facts
    assert (told["tools"], told["reason"]) == ([TOOL], "They have mended it.")

    finish(connected)
    finish(connected)
    assert not suspended(connected)
    finish(connected)
    assert suspended(connected)


def test_a_queued_call_of_it_is_not_sent_and_one_of_another_tool_is(connected, vendor, broker):
    of_it, other = queued(connected), queued(connected, tool="list_users")
    for _ in range(FOREIGN_CALLS):
        finish(connected)
    vendor.reset()

    for call in (of_it, other):
        with as_role("broker"), as_the_message(connected, call):
            run(call.id)

    assert [answer["code"] for answer in answers(of_it)] == ["tool_suspended"]
    assert [answer["ok"] for answer in answers(other)] == [True]
    assert "/api/Tickets" not in vendor.seen()["by_path"]


def test_an_id_of_somebody_else_that_the_caller_named_suspends_nothing(connected, broker):
    for _ in range(FOREIGN_CALLS):
        call = queued(connected, tool="get_ticket", arguments={"ticket_id": 12003})
        with as_role("broker"), as_the_message(connected, call):
            run(call.id)
        assert [answer["code"] for answer in answers(call)] == ["not_found"]

    with as_role("app"), connected.tenant.acting():
        assert not Pause.objects.exists()


def test_the_portal_and_the_api_say_which_tool_and_why(connected, broker):
    for _ in range(FOREIGN_CALLS):
        finish(connected)
    with as_role("app"):
        bob, url = make_person(connected.tenant, Role.OPERATOR, name="bob"), f"/connectors/{connected.instance.pk}/"
        page = bob.browser().get(url).content.decode()
        told = bob.browser().get(f"/api/v1/connector-instances/{connected.instance.pk}/").json()
        viewer = make_machine(connected.tenant, Role.VIEWER).api()
        seen = viewer.get(f"/api/v1/connector-instances/{connected.instance.pk}/").json()

    assert "1 tool suspended" in page
    assert "Risky tools are paused" not in page
    assert "rows of others" in page
    assert (told["paused"], [(pause["why"], pause["tool"]) for pause in told["pauses"]]) == (
        False, [("foreign_rows", TOOL)],
    )  # fmt: skip
    assert seen["pauses"] is None


@pytest.mark.slow
@pytest.mark.xdist_group("stack")
@pytest.mark.parametrize("mode", ["mix", "ignore_filter"])
def test_an_agent_loses_the_tool_of_a_vendor_that_mixes_and_gets_it_back(vendor, gateway_url, mode: str):
    """Through the gateway, the queue and a broker of their own processes."""
    world = connect(vendor)
    door = agent(gateway_url, world, world.tenant.customers[0])
    vendor.behave(mode)

    got = [door.call(f"halopsa_{TOOL}", limit=5) for _ in range(FOREIGN_CALLS)]
    refused, listed = door.call(f"halopsa_{TOOL}", limit=5), door.tools()

    assert {ticket["client_id"] for answer in got for ticket in answer["structuredContent"]["tickets"]} == {11}
    assert (refusal(refused)["gate"], refusal(refused)["code"]) == ("verify_instance_readiness", "tool_suspended")
    assert f"halopsa_{TOOL}" not in listed
    assert "halopsa_list_users" in listed
    vendor.behave("honest")
    resume(world)
    assert door.call(f"halopsa_{TOOL}", limit=5)["structuredContent"]["count"] == 5
