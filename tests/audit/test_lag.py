"""While the log is not sealed: what changes something stops after five seconds, all but looking after a minute."""

from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from approvals.models import ToolRule
from audit.errors import AuditUnavailable
from audit.lag import (
    ALL_STOP_SECONDS,
    LOOK_SECONDS,
    RISKY_STOP_SECONDS,
    ask_lag,
    lag,
    lag_of,
    lag_of_all,
    require_sealing,
)
from audit.models import Event
from audit.selectors import alerts
from audit.waiting import await_seal
from connectors.models import ToolCall
from connectors.upkeep import ensure_keys
from identity.roles import Role
from msplex.gateway import auth
from msplex.gateway.callers import Waiter
from msplex.gateway.calls import begin_call, list_tools
from msplex.tasks import watch_lag
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_reading
from tests.audit.sealed import Room
from tests.connectors.factories import connect
from tests.factories import TenantWorld
from tests.gateway.door import agent
from tests.identity.factories import make_machine, make_person

READ, WRITE = ("halopsa_list_tickets", {"limit": 1}), ("halopsa_create_ticket", {"summary": "x", "details": "y"})


def fall_behind(room: Room, world: TenantWorld, seconds: float) -> None:
    """An event that has waited for so long."""
    with room.owner() as cursor:
        cursor.execute("DELETE FROM border.audit_pending WHERE event_id = %s", [UUID(int=0)])
        cursor.execute(
            "INSERT INTO border.audit_pending VALUES (%s, %s, clock_timestamp() - make_interval(secs => %s))",
            [world.id, UUID(int=0), seconds],
        )


def test_the_lag_is_the_tenants_own(room: Room):
    acme, globex = room.tenant(name="acme"), room.tenant(name="globex")
    fall_behind(room, acme, 30)
    with room.enter("app"):
        with acme.acting():
            assert 30 <= lag() < 60
        with globex.acting():
            assert lag() < 30
        assert lag_of_all() >= 30
        assert Client().get("/readyz").json()["sealer"] is False


def test_without_a_backlog_there_is_no_lag(room: Room):
    world = room.tenant()
    room.write(world)
    room.seal()
    with room.enter("app"), world.acting():
        assert lag() == 0
        assert lag_of_all() == 0
        require_sealing()


@pytest.mark.parametrize(
    ("seconds", "refused"),
    [(RISKY_STOP_SECONDS - 2, []), (RISKY_STOP_SECONDS + 1, [WRITE]), (ALL_STOP_SECONDS + 1, [READ, WRITE])],
)
def test_calls_stop_by_their_risk(room: Room, vendor, seconds: float, refused: list):
    with room.enter("broker"):
        ensure_keys(timezone.now())  # its own database has none yet
    with room.enter("app"):
        world = connect(vendor)
        door = agent("", world, world.tenant.customers[0])
        caller = auth.authenticate([(b"authorization", f"Bearer {door.token}".encode())], "192.0.2.1")
        with world.tenant.acting():
            ToolRule.objects.create(position=1, name="Notes", effect="allow", tool=WRITE[0])
        fall_behind(room, world.tenant, seconds)

        for name, arguments in (READ, WRITE):
            begun = begin_call(caller, name, arguments, Waiter("nobody", b""))
            stopped = (name, arguments) in refused
            assert begun.decision.allowed is not stopped, begun.decision.refusal
            assert begun.decision.gate == ("dispatch" if stopped else "")
            if stopped:
                assert begun.decision.refusal.code == "audit_unavailable"
                assert begun.decision.refusal.retryable
        with world.tenant.acting():
            assert ToolCall.objects.filter(state="refused").count() == len(refused)
        # As with a log that cannot be written: the list says what may be called, not what works at this moment.
        assert {READ[0], WRITE[0]} <= {tool.name for tool in list_tools(caller)}


def test_a_process_that_has_looked_just_now_adds_the_time_since(room: Room, monkeypatch):
    world = room.tenant()
    fall_behind(room, world, 30)
    clock = [1000.0]
    monkeypatch.setattr("audit.lag.time.monotonic", lambda: clock[0])

    def asked() -> float:
        with room.enter("app"), signed_reading(Context(world.id)) as db, world.acting():
            answer = ask_lag(db)
        return lag_of(answer, world.id)

    first = asked()
    assert 30 <= first < 60
    fall_behind(room, world, 0)  # nobody looks at this
    clock[0] += LOOK_SECONDS - 0.1
    assert asked() == pytest.approx(first + LOOK_SECONDS - 0.1)
    clock[0] += 0.2
    assert asked() < 30


def test_changes_stop_after_a_minute_and_looking_goes_on(room: Room):
    world = room.tenant()
    with room.enter("app"):
        owner = make_person(world, Role.OWNER, name="owner")
        browser = owner.browser()
        program = make_machine(world, Role.ADMIN, owner=owner).api()
        new = {"name": "New", "key": "new"}
        for seconds, status in ((ALL_STOP_SECONDS - 10, {201, 302}), (ALL_STOP_SECONDS + 1, {503})):
            fall_behind(room, world, seconds)
            new["key"] = f"new-{int(seconds)}"
            answer = program.post("/api/v1/customers/", new, content_type="application/json")
            assert answer.status_code in status, answer.content
            assert browser.get("/customers/").status_code == 200
            page = browser.post("/customers/new/", new | {"key": f"page-{int(seconds)}"})
            assert page.status_code in status
        assert program.get("/api/v1/customers/").status_code == 200
        assert browser.post("/sign-out/").status_code == 302


def test_a_seal_is_awaited(room: Room):
    world = room.tenant()
    events = room.write(world, times=2)
    with room.enter("broker"), acting_for(Context(world.id)):
        with pytest.raises(AuditUnavailable):
            await_seal(events, 0.05)
        with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
            await_seal(events)
    room.seal()
    with room.enter("broker"), acting_for(Context(world.id)):
        await_seal(events, 0)


def test_a_record_that_was_refused_is_never_taken_for_sealed(room: Room):
    world = room.tenant()
    [event] = room.write(world)
    room.tamper(world, "UPDATE audit_event SET result = 'failed'")
    room.seal()
    with room.enter("broker"), acting_for(Context(world.id)), pytest.raises(AuditUnavailable):
        await_seal([event], 0.05)
    with room.enter("app"), world.acting():
        assert Event.objects.filter(kind="audit:record:refuse").exists()


def test_a_log_that_falls_behind_raises_an_alert_of_its_tenant(room: Room, settings):
    settings.MSPLEX_PROCESS = "worker"
    acme, globex = room.tenant(name="acme"), room.tenant(name="globex")
    for seconds, raised in ((RISKY_STOP_SECONDS - 2, 0), (RISKY_STOP_SECONDS + 1, 1)):
        fall_behind(room, acme, seconds)
        with room.enter("worker"):
            watch_lag()
        with room.enter("app"):
            with acme.acting():
                assert alerts().filter(kind="audit_lag").count() == raised
            with globex.acting():
                assert not alerts().exists()
