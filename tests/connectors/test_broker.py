"""Opening a credential: by the broker, for one purpose, on the record, or not at all."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from audit.actors import Actor, ActorKind, CallRef
from audit.models import Event
from connectors.broker import Purpose, open_secret
from connectors.errors import SecretRefused
from connectors.models import ConnectorInstance
from connectors.services import configure_instance
from tenants.errors import Unavailable
from tenants.isolation.context import Context, acting_for, bind
from tests.conftest import as_owner, as_role
from tests.connectors.factories import ALICE, ConnectedWorld, connect
from tests.connectors.vendor import StubVendor
from tests.tenants.furnishing import as_administrator
from tests.tenants.kinds import KINDS

AGENT = Actor(ActorKind.AGENT, uuid4(), "agent of alice", request_id="r-1")


def purpose(world: ConnectedWorld, call: UUID | None = None) -> Purpose:
    return Purpose(
        AGENT, "halopsa.list_tickets", CallRef(call, world.instance.id, "list_tickets"), world.tenant.customers[0].id
    )


def opened(world: ConnectedWorld, **scope: Any) -> str:
    with acting_for(Context(world.tenant.id, **scope)), open_secret(world.instance, purpose(world)) as found:
        return found.secrets["client_secret"].reveal_text()


def events(world: ConnectedWorld, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    with as_role("app"), world.tenant.acting():
        for event in Event.objects.filter(kind=kind).order_by("id"):
            yield json.loads(bytes(event.header)), json.loads(bytes(event.body or b"{}"))


@pytest.mark.usefixtures("broker")
def test_the_broker_opens_it_and_says_who_did_what_when_and_to_which(connected: ConnectedWorld) -> None:
    call = uuid4()
    with acting_for(Context(connected.tenant.id)), open_secret(connected.instance, purpose(connected, call)) as found:
        assert found.secrets["client_secret"].reveal_text() == connected.secret

    [(header, body)] = events(connected, "connectors:credential:open")
    assert header["actor"] == {"id": str(AGENT.id), "kind": "agent"}
    assert header["subject"] == {"id": str(found.credential_ref), "kind": "credential"}
    assert header["customer"] == str(connected.tenant.customers[0].id)
    assert (header["result"], header["request_id"]) == ("ok", "r-1")
    assert header["occurred_at"]
    assert header["call"] == {"id": str(call), "instance": str(connected.instance.id), "tool": "list_tickets"}
    assert (body["action"], body["version"]) == ("halopsa.list_tickets", 1)
    assert connected.secret not in json.dumps([header, body])


# Later than what was recorded of the credential: read backwards, the log has all of these before it.
_FILL = """
INSERT INTO audit_event (tenant_id, id, occurred_at, kind, result, actor_kind, actor_id, customer_id, subject_kind,
    subject_id, request_id, call_id, instance_id, tool, header, body, writer, boot, n, mac)
SELECT tenant_id, (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
        || '7000' || '8000' || lpad(to_hex(number), 12, '0'))::uuid,
    occurred_at, 'connectors:call:finish', result, actor_kind, actor_id, customer_id, subject_kind,
    subject_id, request_id, call_id, instance_id, tool, header, body, writer, boot, n, mac
FROM (SELECT * FROM audit_event WHERE tenant_id = %s AND kind = 'connectors:credential:store' LIMIT 1) one,
    generate_series(1, 3000) number
"""
_FETCHED = "SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname LIKE 'audit_event%%'"


def fetched(connected: ConnectedWorld, customer: UUID | None) -> int:
    """Rows of the log that are read to find what was recorded of the credential, in a log of 3,000 that are newer."""
    with as_administrator(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # the sealer is told of none of them
        cursor.execute(_FILL, [connected.tenant.id])
        assert cursor.rowcount == 3000
        bind(connection, Context(connected.tenant.id))
        cursor.execute(_FETCHED)
        [before] = cursor.fetchone()
        cursor.execute("SELECT id FROM border.credential_record(%s, %s)", [connected.instance.id, customer])
        assert len(cursor.fetchall()) == (0 if customer else 1)
        cursor.execute(_FETCHED)
        [after] = cursor.fetchone()
        transaction.set_rollback(True)
    return int(after - before)


@pytest.mark.parametrize("own", [False, True])
def test_its_record_is_found_without_reading_the_log(connected: ConnectedWorld, own: bool) -> None:
    """Whatever the planner thinks of a log of which it has no figures yet."""
    assert fetched(connected, connected.tenant.customers[0].id if own else None) < 50


@pytest.mark.usefixtures("broker")
def test_a_context_of_one_customer_is_enough(connected: ConnectedWorld) -> None:
    assert opened(connected, customers=(connected.tenant.customers[0].id,)) == connected.secret


def test_no_other_process_opens_it(connected: ConnectedWorld, settings: Any) -> None:
    for process in ("portal", "gateway", "worker", "command"):
        settings.MSPLEX_PROCESS = process
        with pytest.raises(Unavailable):
            opened(connected)


@pytest.mark.usefixtures("broker")
def test_the_broker_needs_its_key(connected: ConnectedWorld, settings: Any) -> None:
    settings.BROKER_ROOT_KEY = ()

    with pytest.raises(Unavailable):
        opened(connected)


@pytest.mark.usefixtures("broker")
def test_it_is_not_opened_when_that_cannot_be_recorded(
    connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.errors import AuditUnavailable  # noqa: PLC0415

    monkeypatch.setattr("connectors.broker.opened", lambda *_a, **_k: pytest.fail("it was opened"))

    revoke, grant = "REVOKE INSERT ON audit_event FROM msplex_broker", "GRANT INSERT ON audit_event TO msplex_broker"
    with as_owner(revoke, grant), as_role("broker"), pytest.raises(AuditUnavailable):
        opened(connected)


@pytest.mark.usefixtures("broker")
def test_another_tenants_instance_is_refused_with_an_alert(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        mallory = connect(vendor, name="globex")
    mallory.instance = connected.instance

    with pytest.raises(SecretRefused):
        opened(mallory)

    assert [body["refused"] for _, body in events(mallory, "connectors:credential:refuse")] == ["unknown"]


@pytest.mark.usefixtures("broker")
def test_a_changed_address_does_not_get_the_secret(connected: ConnectedWorld) -> None:
    """Written past the service, as by SQL injected into the portal."""
    with as_role("app"), connected.tenant.acting():
        moved = connected.instance.settings | {"base_url": "https://evil.example"}
        ConnectorInstance.objects.filter(id=connected.instance.id).update(settings=moved)
        connected.instance.refresh_from_db()

    with pytest.raises(SecretRefused):
        opened(connected)


@pytest.mark.usefixtures("broker")
def test_the_newest_version_is_the_one_in_use(connected: ConnectedWorld) -> None:
    with as_role("app"), connected.tenant.acting():
        fresh = {"client_secret": "another-secret-of-acme"}
        connected.instance = configure_instance(
            connected.instance, settings=connected.instance.settings, secret=fresh, by=ALICE
        )

    assert opened(connected) == "another-secret-of-acme"


@pytest.mark.usefixtures("broker")
def test_it_is_not_opened_inside_a_transaction(connected: ConnectedWorld) -> None:
    with acting_for(Context(connected.tenant.id)), transaction.atomic(), pytest.raises(RuntimeError):
        open_secret(connected.instance, purpose(connected)).__enter__()


@pytest.mark.usefixtures("broker")
def test_nothing_at_rest_holds_the_secret(connected: ConnectedWorld) -> None:
    """Every table of the tenant, as its administrator reads it, has it in no spelling that needs no key."""
    secret = connected.secret.encode()
    spellings = [secret.decode(), base64.b64encode(secret)[:-4].decode(), secret.hex()]
    for adopted in False, True:
        if adopted:
            assert opened(connected) == connected.secret
        with as_administrator(), connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'content'")
            for (table,) in cursor.fetchall():
                for spelling in spellings:
                    looked_for = [spelling, spelling.encode().hex()]
                    cursor.execute(
                        f"SELECT count(*) FROM {table} t WHERE tenant_id::text = %s AND (position(%s IN t::text) > 0"
                        " OR position(%s IN t::text) > 0)"
                        if _has_tenant(table)
                        else "SELECT 0",
                        [str(connected.tenant.id), *looked_for] if _has_tenant(table) else None,
                    )
                    assert cursor.fetchone() == (0,), table


def _has_tenant(table: str) -> bool:
    return table in KINDS
