"""The record is in the transaction of what it records, or neither is."""

import contextlib
import hashlib
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from audit.actors import Actor, ActorKind, CallRef, system
from audit.canonical import NotCanonical, canonical
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.models import Event
from audit.services import BODY_LABEL, queue_record, record
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import one, signed_transaction
from tenants.models import Customer
from tests.conftest import as_role
from tests.factories import make_tenant

ACTOR = system("tests")


@contextmanager
def as_owner(scratch, statement: str):
    with scratch("migrator"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET ROLE msplex_owner")
        cursor.execute(statement)
        yield


def test_the_header_commits_to_the_body():
    acme = make_tenant()
    actor = Actor(ActorKind.USER, uuid7(), "Alice", "192.0.2.1", "req-1")

    with acme.acting():
        event_id = record(
            EventKind.CUSTOMER_CREATED,
            actor=actor,
            subject=("customer", acme.customers[0].id, "ACME é"),
            customer_id=acme.customers[0].id,
            body={"key": "acme"},
        )
        event = Event.objects.get(id=event_id)

    header, body = json.loads(bytes(event.header)), json.loads(bytes(event.body))
    assert header["body_commit"] == hashlib.sha256(BODY_LABEL + bytes(event.body)).hexdigest()
    assert header["tenant"] == str(acme.id)
    assert header["actor"] == {"id": str(actor.id), "kind": "user"}
    assert header["result"] == "ok"
    assert (body["actor_label"], body["address"], body["key"]) == ("Alice", "192.0.2.1", "acme")
    assert len(bytes.fromhex(body["salt"])) == 16
    assert "Alice" not in bytes(event.header).decode()
    assert (bytes(event.header), bytes(event.body)) == (canonical(header), canonical(body))


def test_an_event_of_an_agents_call_names_both_actors_and_the_call():
    acme = make_tenant()
    person = Actor(ActorKind.USER, uuid7(), "bob@acme.example")
    agent = Actor(ActorKind.AGENT, uuid7(), "Claude Code for bob@acme.example", on_behalf_of=person)
    call = CallRef(uuid7(), uuid7(), "list_tickets")

    with acme.acting():
        event = Event.objects.get(id=record(EventKind.CALL_INTENDED, actor=agent, call=call))

    header, body = json.loads(bytes(event.header)), json.loads(bytes(event.body))
    second = {"id": str(person.id), "kind": "user"}
    assert header["actor"] == {"id": str(agent.id), "kind": "agent", "on_behalf_of": second}
    assert header["call"] == {"id": str(call.id), "instance": str(call.instance_id), "tool": "list_tickets"}
    assert (event.call_id, event.instance_id, event.tool) == (call.id, call.instance_id, call.tool)
    assert body["on_behalf_of_label"] == "bob@acme.example"
    assert "bob" not in bytes(event.header).decode()


def test_two_equal_events_have_different_commitments():
    acme = make_tenant()
    with acme.acting():
        ids = [record(EventKind.CUSTOMER_CREATED, actor=ACTOR) for _ in range(2)]
        headers = [json.loads(bytes(event.header)) for event in Event.objects.filter(id__in=ids)]
    assert headers[0]["body_commit"] != headers[1]["body_commit"]


def test_a_rollback_takes_the_record_with_it():
    acme = make_tenant()
    with acme.acting():
        with contextlib.suppress(RuntimeError), transaction.atomic():
            record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
            assert Event.objects.exists()
            raise RuntimeError
        assert not Event.objects.exists()


def test_a_customers_principal_may_record_and_reads_only_its_own():
    acme = make_tenant()
    with acme.acting(acme.customers[0]):
        record(EventKind.CALL_REFUSED, actor=ACTOR)
        record(EventKind.CALL_INTENDED, actor=ACTOR, customer_id=acme.customers[0].id)
        assert Event.objects.values_list("kind", flat=True).get() == EventKind.CALL_INTENDED
        with pytest.raises(AuditUnavailable), transaction.atomic():
            record(EventKind.CALL_INTENDED, actor=ACTOR, customer_id=acme.customers[1].id)


@pytest.mark.parametrize("role", ["app", "worker", "broker", "sealer", "provider"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE content.audit_event SET result = 'ok'",
        "DELETE FROM content.audit_event",
        "TRUNCATE content.audit_event",
        "ALTER TABLE content.audit_event ADD COLUMN x int",
        "DROP TABLE content.audit_event",
        "MERGE INTO content.audit_event e USING (SELECT 1) s ON false WHEN MATCHED THEN DELETE",
        "UPDATE content.{partition} SET result = 'ok'",
        "DELETE FROM content.{partition}",
        "TRUNCATE content.{partition}",
        "INSERT INTO content.{partition} SELECT * FROM content.audit_event",
        "ALTER TABLE content.audit_event DETACH PARTITION content.{partition}",
        "DROP TABLE content.{partition}",
    ],
)
def test_no_role_may_change_or_remove_an_event(role, statement):
    acme = make_tenant()
    with acme.acting():
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
    with (
        as_role(role),
        acme.acting(),
        pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
        transaction.atomic(),
    ):
        connection.cursor().execute(statement.format(partition=f"audit_event_{datetime.now(UTC):%Y_%m}"))


def by_service(acme) -> None:
    with acme.acting():
        Customer.objects.create(name="Unrecorded", key="unrecorded")
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)


def by_constant_statements(acme) -> None:
    """As gateway and broker do; their connections are bounded."""
    change = "UPDATE tenants_customer SET key = 'unrecorded' WHERE tenant_id = %s AND id = %s RETURNING true"
    about = {"subject": ("", None, ""), "customer_id": None, "result": "ok", "body": {}}
    with acting_for(Context(acme.id)), signed_transaction() as db:
        changed = db.ask(change, acme.id, acme.customers[0].id)
        queued = queue_record(db, EventKind.CUSTOMER_CREATED, actor=ACTOR, **about)
        assert one(changed) == (True,)
        queued.confirm()


WAYS = [by_service, by_constant_statements]


def attempt(acme, change) -> float:
    """A change and its record; seconds until it was refused. Neither must remain."""
    began = time.monotonic()
    with pytest.raises((AuditUnavailable, DatabaseError)):  # of the latter the doors make the former
        change(acme)
    return time.monotonic() - began


@contextmanager
def bounded(scratch):
    """As the app's role, with the limits of the gateway's connections where statements are constant."""
    with scratch("app"):
        options = connection.settings_dict["OPTIONS"] | {"options": "-c statement_timeout=1200 -c lock_timeout=500"}
        connection.settings_dict["OPTIONS"] = options
        yield


def trigger(body: str) -> str:
    """Something between the insert and the table."""
    return (
        f"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        " CREATE TRIGGER fault BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION fault()"
    )


@pytest.mark.parametrize(
    "fault",
    [
        "REVOKE INSERT ON audit_event FROM msplex_app",
        # a disk without room
        trigger("RAISE EXCEPTION 'no space' USING ERRCODE = '53100';"),
        # an insert that hangs
        trigger("PERFORM pg_sleep(10); RETURN NEW;"),
        # a row that is swallowed without an error
        trigger("RETURN NULL;"),
        # a queue of the sealer that takes nothing
        "ALTER TABLE border.audit_pending ADD CHECK (false) NOT VALID",
    ],
    ids=["privilege lost", "disk full", "hang", "swallowed", "no queue"],
)
@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_recorded_does_not_happen(scratch_database, fault, way):
    with scratch_database("app"):
        acme = make_tenant()
    with as_owner(scratch_database, fault):
        pass

    with bounded(scratch_database):
        assert attempt(acme, way) < 2
        with acme.acting():
            assert not Customer.objects.filter(key="unrecorded").exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("table", ["audit_event", "border.audit_pending"])
def test_a_locked_log_refuses_within_two_seconds(scratch_database, way, table):
    with scratch_database("app"):
        acme = make_tenant()
    with as_owner(scratch_database, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"), bounded(scratch_database):
        assert attempt(acme, way) < 2
    with scratch_database("app"), acme.acting():
        assert not Customer.objects.filter(key="unrecorded").exists()


def test_the_limits_end_with_the_record():
    acme = make_tenant()
    with acme.acting(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '7s'")
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("7s",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        ({"a": "e\u0301"}, '{"a":"\u00e9"}'.encode()),
        ({"a": '\n"\\'}, b'{"a":"\\n\\"\\\\"}'),
        ((), b"[]"),
    ],
)
def test_canonical_bytes(value, expected):
    assert canonical(value) == expected


@pytest.mark.parametrize("value", [1.5, {"é": 1}, {1: 1}, {"a": object()}, {"a": [float("nan")]}])
def test_what_has_no_canonical_form_is_refused_with_its_place(value):
    with pytest.raises(NotCanonical, match=r"^\$"):
        canonical(value)
