"""What the broker runs is what the sealed log says was let through, and not what stands in a row."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.models import Alert
from connectors import broker as opening
from connectors.arguments import call_digest
from connectors.models import ToolCall
from msplex import claiming
from msplex.execution import run
from tenants.ids import uuid7_floor, uuid7_millisecond
from tenants.isolation.context import Context, acting_for, bind
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld, events_of, let_through
from tests.connectors.vendor import StubVendor
from tests.tenants.furnishing import as_administrator

pytestmark = pytest.mark.usefixtures("broker")


def new(world: ConnectedWorld, **given: Any) -> ToolCall:
    return ToolCall(
        **{
            "principal_id": uuid4(), "principal_kind": "service_account", "principal_label": "agent",
            "customer": world.tenant.customers[0], "instance": world.instance, "connector": "halopsa",
            "tool": "list_tickets", "arguments": {"limit": 2}, "roles": ["operator"],
            "state": ToolCall.State.QUEUED, "reply_key": b"k" * 32,
        } | given
    )  # fmt: skip


def queued(world: ConnectedWorld, **given: Any) -> ToolCall:
    with as_role("app"), world.tenant.acting():
        return let_through(new(world, **given), world.instance)


def ran(world: ConnectedWorld, call: ToolCall) -> tuple[str, str]:
    with acting_for(Context(world.tenant.id, (world.tenant.customers[0].id,))):
        run(call.id)
    with as_role("app"), world.tenant.acting():
        now = ToolCall.objects.get(id=call.id)
    return now.state, now.code


def as_if(statement: str, *values: Any) -> None:
    """By somebody with every right on the database; the sealer is told of nothing."""
    with as_administrator(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)
        assert cursor.rowcount == 1


def assert_nothing_was_sent(world: ConnectedWorld, vendor: StubVendor) -> None:
    assert vendor.seen()["total"] == 0
    assert events_of(world, "connectors:credential:open") == []


def test_what_was_let_through_runs(connected: ConnectedWorld, vendor: StubVendor) -> None:
    assert ran(connected, queued(connected)) == ("succeeded", "")
    assert vendor.seen()["total"]


def test_a_call_that_nobody_let_through_is_not_run_and_raises_an_alert(connected, vendor) -> None:
    """As whoever can write rows with the right of the portal, as injected SQL would."""
    with as_role("app"), connected.tenant.acting():
        planted = new(connected)
        planted.save(force_insert=True)
    vendor.reset()

    assert ran(connected, planted) == ("failed", "not_recorded")

    assert_nothing_was_sent(connected, vendor)
    with as_role("app"), connected.tenant.acting():
        assert Alert.objects.get().kind == "unapproved_call"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("arguments", '{"limit": 3}'),
        ("arguments_digest", "0" * 64),
        ("tool", "list_sites"),
        ("principal_id", uuid4()),
        ("roles", '["owner"]'),
        ("reply_key", b"m" * 32),
    ],
)
def test_a_row_that_was_changed_since_is_not_run(connected, vendor, column: str, value: Any) -> None:
    call = queued(connected)
    as_if(f"UPDATE content.connectors_toolcall SET {column} = %s WHERE id = %s", value, call.id)
    vendor.reset()

    assert ran(connected, call) == ("failed", "not_recorded")

    assert_nothing_was_sent(connected, vendor)


def test_nor_is_one_that_was_made_an_agents_of_somebody_else(connected: ConnectedWorld, vendor: StubVendor) -> None:
    call = queued(connected, principal_kind="agent", agent_session_id=uuid4())
    as_if("UPDATE content.connectors_toolcall SET principal_id = %s WHERE id = %s", uuid4(), call.id)
    vendor.reset()

    assert ran(connected, call) == ("failed", "not_recorded")

    assert_nothing_was_sent(connected, vendor)


def changed(call: ToolCall) -> None:
    """Row and record alike, but for what only a process of ours can make."""
    as_if("UPDATE content.connectors_toolcall SET reply_key = %s WHERE id = %s", b"m" * 32, call.id)
    as_if(
        "UPDATE content.audit_event SET body = convert_to(replace(convert_from(body, 'UTF8'), %s, %s), 'UTF8')"
        " WHERE call_id = %s",
        sha256(b"k" * 32).hexdigest(), sha256(b"m" * 32).hexdigest(), call.id,
    )  # fmt: skip


def of_another_process(call: ToolCall) -> None:
    as_if("UPDATE content.audit_event SET mac = sha256(mac) WHERE call_id = %s", call.id)


def of_another_call(call: ToolCall) -> None:
    as_if("UPDATE content.audit_event SET call_id = %s WHERE call_id = %s", uuid4(), call.id)


@pytest.mark.parametrize("forge", [changed, of_another_process, of_another_call])
def test_a_record_that_none_of_our_processes_wrote_lets_nothing_through(
    connected: ConnectedWorld, vendor: StubVendor, forge: Callable[[ToolCall], None]
) -> None:
    call = queued(connected)
    forge(call)
    vendor.reset()

    assert ran(connected, call) == ("failed", "not_recorded")

    assert_nothing_was_sent(connected, vendor)


def test_a_refusal_is_no_intent(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"), connected.tenant.acting():
        call = let_through(new(connected), connected.instance, EventKind.CALL_REFUSED)
    vendor.reset()

    assert ran(connected, call) == ("failed", "not_recorded")
    assert vendor.seen()["total"] == 0


@pytest.mark.parametrize("second", [False, True])
def test_what_has_ended_is_not_run_again_whatever_is_written_back(connected, vendor, second: bool) -> None:
    """Within the minute in which a call may start; after that its id, which is on record, says that it is too late."""
    if second:
        assert ran(connected, queued(connected)) == ("succeeded", "")
    call = queued(connected)
    assert ran(connected, call) == ("succeeded", "")
    as_if("UPDATE content.connectors_toolcall SET state = 'queued', started_at = NULL WHERE id = %s", call.id)
    vendor.reset()

    assert ran(connected, call) == ("failed", "not_recorded")

    assert vendor.seen()["total"] == 0


def test_when_a_call_was_made_is_told_by_its_id(connected: ConnectedWorld, vendor: StubVendor) -> None:
    long_ago = UUID(int=uuid7_floor(datetime.now(UTC) - timedelta(minutes=2)).int + (7 << 76) + (2 << 62))
    call = queued(connected, id=long_ago)
    vendor.reset()

    assert ran(connected, call) == ("failed", "busy")

    assert vendor.seen()["total"] == 0


@pytest.mark.parametrize("second", [False, True])
def test_nothing_is_opened_before_the_intent_is_in_a_signed_checkpoint(connected, vendor, second: bool) -> None:
    """Whether its opening is recorded with the claim (of a tenant that has not changed since the last), or after it."""
    if second:
        assert ran(connected, queued(connected)) == ("succeeded", "")
    call = queued(connected)
    event = UUID(events_of(connected, "gateway:call:intend")[-1][0]["id"])
    as_if(
        "INSERT INTO border.audit_pending (tenant_id, event_id, refused) VALUES (%s, %s, 'tests')"
        " ON CONFLICT (tenant_id, event_id) DO UPDATE SET refused = 'tests'",
        connected.tenant.id, event,
    )  # fmt: skip
    vendor.reset()

    assert ran(connected, call) == ("failed", "audit_unavailable")

    assert vendor.seen()["total"] == 0


def test_claim_and_opening_are_one_transaction(connected: ConnectedWorld, vendor: StubVendor, monkeypatch: Any) -> None:
    assert ran(connected, queued(connected)) == ("succeeded", "")
    monkeypatch.setattr(opening, "_begun_alone", None)

    assert ran(connected, queued(connected)) == ("succeeded", "")

    assert len(events_of(connected, "connectors:credential:open")) == 2


def test_the_claim_stands_when_the_opening_cannot_be_recorded(connected, vendor, monkeypatch) -> None:
    """And the call is over: nothing that could not be recorded is tried again behind its caller's back."""
    assert ran(connected, queued(connected)) == ("succeeded", "")
    call = queued(connected)
    monkeypatch.setattr(claiming, "begin", Mock(side_effect=AuditUnavailable))
    vendor.reset()

    assert ran(connected, call) == ("failed", "audit_unavailable")

    assert vendor.seen()["total"] == 0


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | SAID,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SAID, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.dictionaries(SAID, VALUES, max_size=4), min_size=20, max_size=20))
@example(values=[{"x": 1e22}, {"x": [-0.0]}, {"x": {"y": 1.5e300}}, {"x": 5e-324}, {"x": "e+"}, {"x": 2.0}])
def test_arguments_have_the_digest_that_they_had_before_they_were_stored(django_db_blocker, values: list[Any]) -> None:
    """Whatever the database makes of their numbers, so that nothing is taken for changed that is not."""
    with django_db_blocker.unblock(), as_administrator(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [json.dumps(values)])
        [(stored,)] = cursor.fetchall()
    came_back = json.loads(stored) if isinstance(stored, str) else stored

    for before, after in zip(values, came_back, strict=True):
        assert call_digest("x_y", after) == call_digest("x_y", before)


_FILL = """
INSERT INTO audit_event (tenant_id, id, occurred_at, kind, result, actor_kind, actor_id, customer_id, subject_kind,
    subject_id, request_id, call_id, instance_id, tool, header, body, writer, boot, n, mac)
SELECT tenant_id, (left(id::text, 14) || '7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
    occurred_at, kind, result, actor_kind, actor_id, customer_id, subject_kind,
    subject_id, request_id, gen_random_uuid(), instance_id, tool, header, body, writer, boot, n, mac
FROM (SELECT * FROM audit_event WHERE call_id = %s) one, generate_series(1, 3000) number
"""
_FETCHED = "SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname LIKE 'audit_event%%'"


def test_the_intent_is_found_without_reading_the_log(connected: ConnectedWorld) -> None:
    """In a log of 3,000 others of the same moment, whatever the planner thinks of one of which it has no figures."""
    call = queued(connected)
    with as_administrator(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_FILL, [call.id])
        assert cursor.rowcount == 3000
        bind(connection, Context(connected.tenant.id))
        cursor.execute(_FETCHED)
        [before] = cursor.fetchone()
        made = uuid7_millisecond(call.id)
        cursor.execute(
            "SELECT id FROM border.call_intent(%s, %s, %s)", [call.id, made, UUID(int=made.int + (1 << 100))]
        )
        assert len(cursor.fetchall()) == 1
        cursor.execute(_FETCHED)
        [after] = cursor.fetchone()
        transaction.set_rollback(True)
    assert after - before < 50
