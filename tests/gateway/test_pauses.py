"""A call whose outcome is unknown stops what changes something, until a person has looked at the vendor."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from audit.kinds import EventKind
from audit.models import Alert, Event
from connectors.contract import Risk
from connectors.models import Pause, ToolCall
from connectors.pauses import is_risky, open_pauses, resume_risky_tools
from connectors.vendors.halopsa.connector import HALOPSA
from identity.roles import Role
from msplex.decision.snapshot import snapshot
from msplex.execution import LOST_AFTER, give_up_lost_calls
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tenants.selectors import revision
from tests.conftest import as_role
from tests.connectors.factories import ALICE
from tests.gateway.test_outcomes import answers, as_the_message, queued, run
from tests.identity.factories import make_machine, make_person

RISKY = next(tool.name for tool in HALOPSA.tools if tool.risk is Risk.WRITE)


def lose(world: Any, number: int = 0) -> ToolCall:
    """The process that had claimed it died, as the broker finds out when the message comes again."""
    call = queued(world)
    with as_role("broker"), as_the_message(world, call):
        with world.tenant.acting(world.tenant.customers[0]):
            ToolCall.objects.filter(id=call.id).update(state=ToolCall.State.RUNNING)
        run(call.id, again=True)
    return call


def paused(world: Any) -> bool:
    with as_role("app"), world.tenant.acting():
        return world.instance.pk in snapshot().paused


def test_a_lost_call_is_said_to_be_unknown_alerts_and_pauses_in_one_transaction(connected, broker):
    with as_role("app"), connected.tenant.acting():
        before = revision()
    call = lose(connected)

    assert paused(connected)
    with as_role("app"), connected.tenant.acting():
        assert Pause.objects.get().call_id == call.id
        assert Event.objects.get(kind=EventKind.CALL_UNKNOWN).call_id == call.id
        assert Alert.objects.get().kind == "outcome_unknown"
        assert revision() > before  # so that every process decides anew


def test_the_sweep_pauses_as_well(connected, broker):
    call = queued(connected)
    with as_role("broker"), connected.tenant.acting():
        ToolCall.objects.filter(id=call.id).update(state=ToolCall.State.RUNNING)
    with as_role("worker"), acting_for(Context(connected.tenant.id)):
        give_up_lost_calls(call.created_at + LOST_AFTER + timedelta(seconds=1))

    assert paused(connected)


def test_a_risky_call_that_was_queued_before_does_not_run_and_a_read_does(connected, vendor, broker):
    risky, reading = queued(connected), queued(connected)
    with as_role("migrator"), connected.tenant.acting(), connection.cursor() as cursor:
        cursor.execute("SET ROLE msplex_owner")
        cursor.execute("UPDATE connectors_toolcall SET tool = %s WHERE id = %s", [RISKY, risky.id])
    lose(connected)
    vendor.reset()

    for call in (risky, reading):
        with as_the_message(connected, call):
            run(call.id)

    assert [answer["code"] for answer in answers(risky)] == ["risky_tools_paused"]
    assert [answer["ok"] for answer in answers(reading)] == [True]


def test_whoever_resumes_lifts_what_they_saw_and_no_more(connected, broker):
    lose(connected)
    with as_role("app"), connected.tenant.acting():
        seen = open_pauses(connected.instance).first()
    lose(connected)

    with as_role("app"), connected.tenant.acting():
        assert resume_risky_tools(connected.instance, through=seen.pk, reason="It was done.", by=ALICE) == 1
    assert paused(connected)

    with as_role("app"), connected.tenant.acting():
        newest = open_pauses(connected.instance).first()
        resume_risky_tools(connected.instance, through=newest.pk, reason="So was this.", by=ALICE)
        with pytest.raises(Conflict):
            resume_risky_tools(connected.instance, through=newest.pk, reason="Again", by=ALICE)
        told = Event.objects.filter(kind=EventKind.INSTANCE_RESUMED).latest("id")
    assert not paused(connected)
    assert (told.facts["reason"], told.facts["actor_label"]) == ("So was this.", ALICE.label)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_nobody_resumes_without_saying_why(connected, broker, reason: str):
    lose(connected)
    with as_role("app"), connected.tenant.acting(), pytest.raises(Invalid):
        resume_risky_tools(connected.instance, through=open_pauses(connected.instance)[0].pk, reason=reason, by=ALICE)


def test_the_portal_shows_it_and_resumes_it_with_a_second_factor(connected, broker):
    lose(connected)
    with as_role("app"):
        bob = make_person(connected.tenant, Role.OPERATOR, name="bob")
        carol = make_person(
            connected.tenant, Role.CUSTOMER_VIEWER, name="carol", customer=connected.tenant.customers[1]
        )
        browser, url = bob.browser(), f"/connectors/{connected.instance.pk}/"
        page, theirs = browser.get(url), carol.browser().get(url).content.decode()
        terms = {"through": page.context["pauses"][0].pk, "reason": "It was done."}
        bob.confirmed(ago=timedelta(minutes=20))
        unconfirmed = browser.post(f"{url}resume/", terms)
        bob.confirmed(ago=timedelta(0))
        empty = browser.post(f"{url}resume/", terms | {"reason": ""}, follow=True).content.decode()
        assert paused(connected)
        done = browser.post(f"{url}resume/", terms, follow=True).content.decode()

    assert "Risky tools are paused" in page.content.decode()
    assert "Risky tools are paused" in theirs
    assert "Resume risky tools" not in theirs
    assert "list_tickets</a>" not in theirs  # of another customer's call not even the name of its tool
    assert "/confirm/" in unconfirmed["Location"]
    assert "Say what you found" in empty
    assert "run again" in done
    assert not paused(connected)


def test_the_api_tells_of_it_and_resumes_it(connected, broker):
    lose(connected)
    with as_role("app"):
        alice = make_person(connected.tenant, Role.ADMIN)
        browser, url = alice.browser(), f"/api/v1/connector-instances/{connected.instance.pk}/"
        told = browser.get(url).json()
        terms = {"through": told["pauses"][0]["id"], "reason": "It was done."}
        done = browser.post(f"{url}resume/", terms, "application/json")
        again = browser.post(f"{url}resume/", terms, "application/json")
        viewer = make_machine(connected.tenant, Role.VIEWER).api().get(url).json()

    assert told["paused"] is True
    assert (done.status_code, done.json()["paused"], done.json()["pauses"]) == (200, False, [])
    assert again.status_code == 409
    assert viewer["pauses"] is None


def test_what_this_release_does_not_know_counts_as_risky() -> None:
    assert is_risky(HALOPSA.tool(RISKY))
    assert is_risky(HALOPSA.tool("gone"))
    assert not is_risky(HALOPSA.tool("list_tickets"))
