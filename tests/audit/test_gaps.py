"""A record that is taken out before its seal is missed within half a minute."""

import threading
import time
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction

from audit.bell import AWAITED
from audit.models import Event
from audit.sealing.gaps import OVERDUE_SECONDS, Gaps, seen_after
from audit.sealing.memory import Memory, Seen
from audit.streams import Mark
from tenants.ids import uuid7
from tests.audit.sealed import Room
from tests.conftest import role_url

LATER = OVERDUE_SECONDS + 1


def take_out(room: Room, world, event) -> None:
    room.tamper(world, "DELETE FROM audit_event WHERE id = %s", event)
    with room.owner() as cursor:
        cursor.execute("DELETE FROM border.audit_pending WHERE event_id = %s", [event])


@pytest.fixture
def world(room: Room):
    return room.tenant()


@pytest.mark.parametrize("taken", [0, 1])
def test_a_gap_is_said_once_and_only_when_it_is_old(room: Room, world, taken: int):
    events = [room.write(world)[0] for _ in range(3)]
    take_out(room, world, events[taken])
    with room.enter("sealer"):
        sealer = room.sealer()
        sealer.once()
        assert sealer.gaps.overdue() == []
        [(boot, tenant)] = sealer.gaps.overdue(time.monotonic() + LATER)
        assert (tenant, sealer.gaps.settle(boot, tenant)) == (world.id, [taken])
        assert sealer.gaps.overdue(time.monotonic() + LATER) == []
    with room.enter("app"), world.acting():
        facts = Event.objects.get(kind="audit:record:miss").facts
        assert (facts["alert"], facts["first"], facts["last"], facts["count"]) == (True, taken, taken, 1)


def test_a_record_that_comes_late_fills_the_gap(room: Room, world, tmp_path):
    gaps, boot = Gaps(Memory(tmp_path / "memory")), uuid7()
    seen = Seen(0)
    for n in (1, 2):
        seen = seen_after(seen, Mark("portal", boot, n, b""))
        gaps._watch(boot, seen, world.id)
    assert (seen.next, seen.beyond) == (0, (1, 2))
    assert gaps.overdue(time.monotonic() + LATER) == [(boot, world.id)]
    seen = seen_after(seen, Mark("portal", boot, 0, b""))
    gaps._watch(boot, seen, world.id)
    assert (seen.next, seen.beyond) == (3, ())
    assert gaps.overdue(time.monotonic() + LATER) == []


def test_what_is_in_the_log_after_all_is_not_said_to_be_missing(room: Room, world):
    """The sealer was killed after its commit, before it remembered the numbers."""
    room.write(world, times=2)
    room.seal()
    (room.directory / "heads.json").write_bytes(
        (room.directory / "heads.json").read_bytes() + (room.directory / "heads.journal").read_bytes()
    )
    room.write(world)
    with room.enter("sealer"):
        sealer = room.sealer()
        [boot] = sealer.memory.streams
        sealer.memory.streams[boot] = Seen(1)
        sealer.once()
        assert sealer.memory.streams[boot].beyond == (2,)
        assert sealer.gaps.settle(boot, world.id) == []
        assert sealer.memory.streams[boot].next == 3
    connection.close()


def test_the_loop_looks_for_what_is_overdue(room: Room, world, monkeypatch):
    events = [room.write(world)[0] for _ in range(3)]
    take_out(room, world, events[1])
    monkeypatch.setattr("audit.sealing.gaps.OVERDUE_SECONDS", 0)
    rounds = iter([False] * 20)
    with room.enter("sealer"):
        room.sealer().run(lambda: next(rounds, True))
    with room.enter("app"), world.acting():
        assert Event.objects.get(kind="audit:record:miss").facts["first"] == 1


def test_the_loop_looks_each_time_that_it_is_rung_for(room: Room, monkeypatch):
    """It waits for the bell on the connection on which it looks."""
    over, looks = threading.Event(), []

    def look(_: Gaps) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        looks.append(1)

    monkeypatch.setattr(Gaps, "look", look)
    monkeypatch.setattr("audit.sealing.sealer.PAUSE_SECONDS", 0.5)

    def run() -> None:
        with room.enter("sealer"):
            room.sealer().run(over.is_set)

    sealing = threading.Thread(target=run, daemon=True)
    sealing.start()
    url = role_url("msplex_app", room.enter.name)  # type: ignore[attr-defined]
    with psycopg.connect(url, autocommit=True) as other:
        for _ in range(20):
            other.execute(f"NOTIFY {AWAITED}")
            time.sleep(0.05)
    over.set()
    sealing.join(10)
    assert not sealing.is_alive()
    assert len(looks) > 2


def test_a_look_through_many_logs_stops_in_time_and_goes_on_there(room: Room, world, monkeypatch):
    """With thousands of tenants it would keep every one of them from being sealed meanwhile."""
    events = [room.write(world)[0] for _ in range(3)]
    take_out(room, world, events[1])
    looked: list[UUID] = []
    monkeypatch.setattr("audit.sealing.gaps._recorded", lambda _boot, _numbers, tenant: looked.append(tenant) or set())
    with room.enter("sealer"):
        sealer = room.sealer()
        sealer.once()
        others = [uuid7() for _ in range(50)]
        sealer.memory.heads |= dict.fromkeys(others, sealer.memory.heads[world.id])
        [(boot, tenant)] = sealer.gaps.overdue(time.monotonic() + LATER)

        def settle(looks: int) -> list[int] | None:
            """As long as that many looks take."""
            until = len(looked) + looks
            monkeypatch.setattr("audit.sealing.gaps.time.monotonic", lambda: float(len(looked) >= until))
            return sealer.gaps.settle(boot, tenant, deadline=0.5)

        assert [settle(20), settle(20)] == [None, None]
        assert len(looked) == 40
        assert settle(20) == [1]
        assert sorted(looked) == sorted([*others, world.id])  # each once


def test_the_memory_outlives_its_process_and_a_torn_line(tmp_path):
    from audit.sealing.memory import Head, heads_in  # noqa: PLC0415

    tenant, boot = uuid7(), uuid7()
    memory = Memory(tmp_path)
    memory.keep([(tenant, Head(1, 5, bytes(32)))], [(boot, Seen(3, (7,), 1.0))])
    memory.keep([(tenant, Head(1, 9, b"\x01" * 32))], [])
    with (tmp_path / "heads.journal").open("ab") as journal:
        journal.write(b'{"heads":{"')
    assert heads_in(tmp_path) == {tenant: Head(1, 9, b"\x01" * 32)}
    again = Memory(tmp_path)
    assert (again.heads, again.streams) == ({tenant: Head(1, 9, b"\x01" * 32)}, {boot: Seen(3, (7,), 1.0)})
    assert (tmp_path / "heads.journal").stat().st_size == 0
