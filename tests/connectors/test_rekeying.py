"""Replacing keys while credentials are in use: stopped, killed, with a broken row in the middle, it goes on."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit.models import Alert, Event
from connectors.keeping import Whose, opened
from connectors.keyring import KeyMissing, Purpose, ring
from connectors.models import AdoptedSecret, ConnectorInstance, Credential, SealedSecret
from connectors.registry import KeyRow, Mode, Order, State, intake_key, keys
from connectors.rekeying import _TAKE, Moved, move_batch, move_rows
from connectors.sealing import seal
from connectors.upkeep import (
    _adopt_what_is_left,
    destroy_unused,
    ensure_keys,
    keep_keys,
    progress,
    retry_unreadable,
    start_rekey,
)
from msplex.management.commands.rekey import _moment
from msplex.runtime.bench.rekeying import _FILL
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role, role_url
from tests.connectors.factories import ConnectedWorld, events_of, now, open_as_broker
from tests.factories import TenantWorld, make_tenant
from tests.tenants.furnishing import as_administrator

pytestmark = pytest.mark.usefixtures("broker")
ROOT = Path(__file__).parents[2]
BECAUSE = Order(Mode.REWRAP, "tests", "alice")
ANEW = Order(Mode.REENCRYPT, "tests", "alice")


def active() -> KeyRow:
    [row] = keys(Purpose.STORAGE, State.ACTIVE)
    return row


def stored(world: TenantWorld, number: int) -> list[AdoptedSecret]:
    """As many connections with an adopted credential each: what the broker would have made of as many passwords."""
    with as_role("app"), world.acting():
        instances = [ConnectorInstance(connector="halopsa", slug=f"many-{n}", name=f"Many {n}") for n in range(number)]
        ConnectorInstance.objects.bulk_create(instances)
        made = [
            Credential(instance=each, version=1, digest=f"{n:064}", created_by="x") for n, each in enumerate(instances)
        ]
        Credential.objects.bulk_create(made)
    key = ring().key(active().id, Purpose.STORAGE).wrapping
    with as_role("broker"), world.acting():
        rows = []
        for credential in made:
            sealed = seal(str(credential.id).encode(), key=key, place=Whose.of(credential).place)
            row = AdoptedSecret(
                credential=credential, suite=key.suite, kek_id=key.id, payload=sealed.payload,
                wrapped_key=sealed.wrapped_key, rev=1, intake_kek_id="", adopted_at=now(), data_key_at=now(),
            )  # fmt: skip
            rows.append(Whose.of(credential).signs(row))
        AdoptedSecret.objects.bulk_create(rows)
    return rows


def rows_of(world: TenantWorld) -> list[AdoptedSecret]:
    with as_role("broker"), world.acting():
        return list(AdoptedSecret.objects.select_related("credential").order_by("id"))


def readable(world: TenantWorld) -> int:
    """How many of its rows open to what was put into them."""
    with acting_for(Context(world.id)):
        rows = rows_of(world)
        return sum(opened(row, Whose.of(row.credential)) == str(row.credential_id).encode() for row in rows)


def move(world: TenantWorld, **how: Any) -> bool:
    with acting_for(Context(world.id)):
        return move_rows(until=time.monotonic() + how.pop("seconds", 60), rest=0, **how)


def broken(row: AdoptedSecret, change: str = "payload = set_byte(payload, 14, get_byte(payload, 14) # 1)") -> None:
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE connectors_adoptedsecret SET {change} WHERE id = %s", [row.id])


@pytest.fixture
def acme() -> TenantWorld:
    with as_role("app"):
        return make_tenant()


@pytest.mark.parametrize("order", [BECAUSE, ANEW], ids=["rewrap", "reencrypt"])
def test_every_row_is_moved_and_opens(installation: Any, monkeypatch: pytest.MonkeyPatch, order: Order) -> None:
    acme = tenant_with(installation, 7, monkeypatch)
    before = {row.id: row for row in rows_of(acme)}
    start_rekey(order, now())

    assert move(acme, batch=3)

    after = rows_of(acme)
    assert {row.kek_id for row in after} == {active().id}
    assert {row.rev for row in after} == {2}
    assert readable(acme) == 7
    renewed = {bytes(row.payload) != bytes(before[row.id].payload) for row in after}
    assert renewed == {order.mode is Mode.REENCRYPT}
    assert {row.data_key_at > before[row.id].data_key_at for row in after} == {order.mode is Mode.REENCRYPT}


def test_a_connection_works_before_in_between_and_after(connected: ConnectedWorld) -> None:
    assert open_as_broker(connected) == connected.secret
    start_rekey(ANEW, now())
    assert open_as_broker(connected) == connected.secret

    assert move(connected.tenant)

    assert open_as_broker(connected) == connected.secret
    [(_, body)] = events_of(connected, "connectors:credential:rekey")
    assert (body["count"], body["kek"], body["mode"], body["reason"]) == (1, active().id, "reencrypt", "tests")


def test_it_goes_on_where_it_was_stopped(acme: TenantWorld) -> None:
    stored(acme, 9)
    start_rekey(BECAUSE, now())

    assert move(acme, seconds=0) is False
    with acting_for(Context(acme.id)):
        first = move_batch(size=4)
    assert (first.done, [row.rev for row in rows_of(acme)]) == (4, [2] * 4 + [1] * 5)

    assert move(acme)
    assert [row.rev for row in rows_of(acme)] == [2] * 9


def test_another_key_in_the_middle_is_the_one_that_counts(acme: TenantWorld) -> None:
    """And that data keys were to be new is not forgotten because a rewrap comes after."""
    before = {row.id: bytes(row.payload) for row in stored(acme, 4)}
    start_rekey(ANEW, now())
    with acting_for(Context(acme.id)):
        move_batch(size=2)

    start_rekey(BECAUSE, now())
    assert move(acme)

    assert {row.kek_id for row in rows_of(acme)} == {active().id}
    assert not any(bytes(row.payload) == before[row.id] for row in rows_of(acme))
    assert readable(acme) == 4


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ("payload = set_byte(payload, 14, get_byte(payload, 14) # 1)", "not_signed"),
        ("signature = ''", "not_signed"),
        ("kek_id = 'x25519-lost'", "not_signed"),
    ],
)
def test_a_row_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    acme: TenantWorld, change: str, trouble: str
) -> None:
    rows = stored(acme, 5)
    broken(rows[2], change)
    start_rekey(BECAUSE, now())

    assert move(acme, batch=2)

    assert [row.unreadable for row in rows_of(acme)] == ["", "", trouble, "", ""]
    assert [row.rev for row in rows_of(acme)] == [2, 2, 1, 2, 2]
    [(header, body)] = events_of_tenant(acme, "connectors:credential:unread")
    assert header["subject"]["id"] == str(rows[2].credential_id)
    assert (body["alert"], body["refused"]) == (True, trouble)
    with as_role("app"), acme.acting():
        assert [alert.kind for alert in Alert.objects.all()] == ["secret_unreadable"]


def events_of_tenant(world: TenantWorld, kind: str) -> list[Any]:
    return events_of(dataclasses.make_dataclass("W", ["tenant"])(world), kind)  # type: ignore[arg-type]


def test_a_row_whose_key_is_lost_is_set_aside_and_taken_up_again(acme: TenantWorld) -> None:
    stored(acme, 2)
    lost = active()
    start_rekey(BECAUSE, now())
    path = ring().directory / f"{lost.id}.key"
    away = path.rename(path.with_suffix(".away"))
    try:
        assert move(acme)
        assert {row.unreadable for row in rows_of(acme)} == {"unknown_key"}
    finally:
        away.rename(path)

    assert retry_unreadable() >= 2
    assert move(acme)
    assert readable(acme) == 2
    assert {row.kek_id for row in rows_of(acme)} == {active().id}


def test_rows_that_somebody_is_at_are_skipped_and_found_by_the_next_run(acme: TenantWorld) -> None:
    rows = stored(acme, 3)
    start_rekey(BECAUSE, now())
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM connectors_adoptedsecret WHERE id = %s FOR UPDATE", [rows[1].id])
        with as_role("broker"):
            assert move(acme)
            assert [row.rev for row in rows_of(acme)] == [2, 1, 2]
        cursor.execute("ROLLBACK")
    with as_role("broker"):
        assert move(acme)
    assert [row.rev for row in rows_of(acme)] == [2, 2, 2]


def test_a_database_that_is_slow_gets_less_at_once(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(acme, 60)
    start_rekey(BECAUSE, now())
    sizes: list[int] = []

    def slow(*, after: UUID, size: int) -> Moved:
        sizes.append(size)
        if size > 20:
            raise DatabaseError("canceling statement due to statement timeout")
        return move_batch(after=after, size=size)

    monkeypatch.setattr("connectors.rekeying.move_batch", slow)
    assert move(acme, batch=80)

    assert sizes[:5] == [80, 40, 20, 40, 20]  # it tries more again
    assert {row.rev for row in rows_of(acme)} == {2}


def test_a_database_that_is_away_ends_the_run(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Moved:
        raise DatabaseError

    monkeypatch.setattr("connectors.rekeying.move_batch", away)
    with pytest.raises(DatabaseError):
        move(acme)


WORKER = """
import sys, time, uuid, django
django.setup()
from connectors.rekeying import move_rows
from tenants.isolation.context import Context, acting_for
print("begun", flush=True)
with acting_for(Context(uuid.UUID(sys.argv[1]))):
    move_rows(until=time.monotonic() + 60, batch=3, rest=0)
"""


def test_killed_in_the_middle_nothing_is_lost_and_no_resolve_fails(connected: ConnectedWorld) -> None:
    """A worker of its own, ended by SIGKILL while it moves rows and this process opens credentials."""
    open_as_broker(connected)
    stored(connected.tenant, 400)
    start_rekey(ANEW, now())
    environment = os.environ | {
        "DATABASE_URL": role_url("msplex_broker", os.environ["MSPLEX_TEST_DATABASE"]),
        "DJANGO_SETTINGS_MODULE": "msplex.settings",
        "MSPLEX_PROCESS": "broker",
    }
    command = [sys.executable, "-c", WORKER, str(connected.tenant.id)]
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    resolved = 0
    while _moved(connected.tenant) < 30:
        assert worker.poll() is None
        assert open_as_broker(connected) == connected.secret
        resolved += 1
    worker.send_signal(signal.SIGKILL)
    worker.communicate()

    between = _moved(connected.tenant)
    assert 30 <= between < 401
    assert resolved
    assert open_as_broker(connected) == connected.secret
    assert move(connected.tenant)

    assert _moved(connected.tenant) == 401
    assert {row.rev for row in rows_of(connected.tenant)} == {2}
    assert open_as_broker(connected) == connected.secret


def _moved(world: TenantWorld) -> int:
    with as_role("app"), world.acting():
        return AdoptedSecret.objects.filter(kek_id=active().id).count()


# The whole installation, in a database of its own


@pytest.fixture
def installation(scratch_database: Any, settings: Any, tmp_path: Path) -> Any:
    settings.BROKER_KEYRING = str(tmp_path)
    with scratch_database("broker"):
        ensure_keys(now())
        yield scratch_database


def tenant_with(installation: Any, number: int, monkeypatch: pytest.MonkeyPatch) -> TenantWorld:
    """`stored`, there."""
    monkeypatch.setattr(sys.modules[__name__], "as_role", installation)
    with installation("app"):
        world = make_tenant()
    stored(world, number)
    return world


def test_the_old_key_is_destroyed_when_no_row_names_it(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (tenant_with(installation, 3, monkeypatch) for _ in range(2))
    old = active().id
    start_rekey(BECAUSE, now())
    with installation("broker"):
        assert move(one)
        destroy_unused(now())
        assert ring().key(old, Purpose.STORAGE)

        assert keep_keys(now())

        with pytest.raises(KeyMissing):
            ring().key(old, Purpose.STORAGE)
        assert [row.id for row in keys(Purpose.STORAGE, State.DESTROYED)] == [old]
        assert progress() == (6, 0, 0)
        assert (readable(one), readable(other)) == (3, 3)
    for world in one, other:
        [(_, body)] = events_of_tenant_at(installation, world, "connectors:key:destroy")
        assert body["kek"] == old


def events_of_tenant_at(installation: Any, world: TenantWorld, kind: str) -> list[Any]:
    with installation("app"), world.acting():
        found = list(Event.objects.filter(kind=kind))
    return [(json.loads(bytes(event.header)), json.loads(bytes(event.body or b""))) for event in found]


def test_a_suspended_tenants_rows_are_moved_too(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = tenant_with(installation, 2, monkeypatch)
    with as_administrator(installation.name), connection.cursor() as cursor:
        cursor.execute("UPDATE provider.tenant SET active = false")
    start_rekey(BECAUSE, now())

    with installation("broker"):
        assert keep_keys(now())
        assert progress() == (2, 0, 0)
        assert readable(world) == 2


def test_a_key_that_an_unreadable_row_names_stays(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = tenant_with(installation, 3, monkeypatch)
    [_, bad, _] = rows_of(world)
    with as_administrator(installation.name), connection.cursor() as cursor:
        cursor.execute("UPDATE connectors_adoptedsecret SET signature = '' WHERE id = %s", [bad.id])
    old = active().id
    start_rekey(BECAUSE, now())

    with installation("broker"):
        keep_keys(now())
        assert progress() == (2, 0, 1)
        assert ring().key(old, Purpose.STORAGE)


def test_an_older_revision_put_back_is_refused_once_the_rekeying_is_done(
    installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tenant_with(installation, 1, monkeypatch)
    columns = "suite, kek_id, payload, wrapped_key, rev, signature, data_key_at"
    with as_administrator(installation.name), connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM connectors_adoptedsecret")
        old = cursor.fetchone()
    start_rekey(ANEW, now())
    with installation("broker"):
        assert keep_keys(now())
    with as_administrator(installation.name), connection.cursor() as cursor:
        cursor.execute(f"UPDATE connectors_adoptedsecret SET ({columns}) = ({', '.join(['%s'] * 7)})", old)

    with installation("broker"), pytest.raises(KeyMissing):
        readable(world)


def test_the_command_starts_it_and_says_how_far_it_is(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant_with(installation, 2, monkeypatch)
    monkeypatch.setattr("msplex.management.commands.rekey.check_process", lambda: None)
    with installation("broker"):
        said = StringIO()
        deadline = (now() + timedelta(days=3)).isoformat()
        call_command(
            "rekey",
            "reencrypt",
            reason="laptop lost",
            emergency=True,
            deadline=_moment(deadline),
            by="bob",
            stdout=said,
        )
        assert "Left: 2." in said.getvalue()
        assert (active().reason, active().asked_by, active().mode) == ("laptop lost", "bob", "reencrypt")
        assert active().deadline == _moment(deadline)

        keep_keys(now())
        said = StringIO()
        call_command("rekey", "status", stdout=said)
        assert "Under the key of now: 2. Left: 0. Unreadable, set aside: 0." in said.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reason": "  "},
        {"reason": "x", "emergency": True},
        {"reason": "x", "deadline": now() + timedelta(days=1)},
        {"reason": "x", "emergency": True, "deadline": now() - timedelta(days=1)},
        {"reason": "x", "emergency": True, "deadline": now() + timedelta(days=400)},
    ],
)
def test_the_command_wants_to_know_why_and_until_when(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msplex.management.commands.rekey.check_process", lambda: None)
    before = active().id

    with pytest.raises(CommandError):
        call_command("rekey", "reencrypt", **options)
    with pytest.raises(CommandError):
        call_command("rekey", "rewrap", reason="x", emergency=True, deadline=now() + timedelta(days=1))

    assert active().id == before


def test_what_was_sealed_and_never_used_is_adopted_before_its_key_goes(
    connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = next(each for each in keys(Purpose.INTAKE, State.ACTIVE))
    monkeypatch.setattr("connectors.upkeep.every_tenant", lambda: [connected.tenant.id])
    assert intake_key(now()).id == row.id

    _adopt_what_is_left(row)

    with as_role("broker"), connected.tenant.acting():
        assert not SealedSecret.objects.exists()
    assert len(rows_of(connected.tenant)) == 1


def test_the_bench_can_make_its_connections(acme: TenantWorld) -> None:
    """It writes them without the ORM: a column that must have a value has one."""
    with as_administrator(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # as there: triggers ask for a tenant's context
        cursor.execute(_FILL, {"tenant": acme.id, "rows": 3})
    with as_role("broker"), acme.acting():
        assert Credential.objects.filter(created_by="bench").count() == 3


def test_a_batch_reads_its_own_rows_and_not_all_when_every_row_is_under_one_key(acme: TenantWorld) -> None:
    """The plan for any values, with the statistics of a table as it is before its first re-keying."""
    stored(acme, 2000)
    statement = _TAKE.format(size=10)
    for number in (1, 2, 3):
        statement = statement.replace("%s", f"${number}", 1)
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute("ANALYZE content.connectors_adoptedsecret")
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE taken (uuid, uuid, text) AS {statement}")
        cursor.execute(f"EXPLAIN EXECUTE taken ('{acme.id}', '{UUID(int=0)}', 'x')")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE taken")
        cursor.execute("RESET plan_cache_mode")

    assert "Index Scan using connectors_adoptedsecret_pkey" in plan
    assert "Sort" not in plan
