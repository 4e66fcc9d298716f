"""The whole log recomputed: clean when it is, and the wrong row named when it is not."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from audit.fsck import check_tenant
from audit.models import Event
from msplex.tasks import check_logs
from tests.audit.sealed import Room


@pytest.fixture
def world(room: Room):
    """A log of three hundred events, in checkpoints of 40, 260 and 300."""
    world = room.tenant()
    for times in (40, 220, 40):
        room.write(world, world.customers[0], times=times)
        room.seal()
    return world


def wrong(room: Room, world) -> list[str]:
    with room.enter("worker"):
        return list(map(str, check_tenant(world.id).wrong))


def test_a_log_that_is_right_is_found_right(room: Room, world):
    room.write(world)  # and one that waits
    with room.enter("worker"):
        found = check_tenant(world.id)
        assert (found.events, found.leaves, found.checkpoints, found.wrong) == (301, 300, 3, [])
        out = StringIO()
        call_command("fsck_log", stdout=out)
    assert "301 events, 300 leaves, 3 checkpoints, 0 wrong" in out.getvalue()


REWORD = "UPDATE audit_event SET {0} = convert_to(replace(convert_from({0}, 'UTF8'), '{1}', '{2}'), 'UTF8')"
SIGNATURE = "UPDATE audit_checkpointsignature SET"
SOME = "SELECT id FROM audit_event ORDER BY id OFFSET 7 LIMIT 1"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"{REWORD.format('header', 'customers:', 'Customers:')} WHERE id = ({SOME})", "not what was recorded (mac)"),
        (f"{REWORD.format('body', 'tests', 'Alice')} WHERE id = ({SOME})", "not what was recorded (body)"),
        (f"UPDATE audit_event SET kind = 'x' WHERE id = ({SOME})", "not what was recorded (columns)"),
        (f"DELETE FROM audit_event WHERE id = ({SOME})", "epoch 1, leaf 7: its event"),
        (f"DELETE FROM audit_leaf WHERE id = ({SOME})", "leaf 7 is missing before it"),
        (f"UPDATE audit_leaf SET k = 999 WHERE id = ({SOME})", "epoch 1, leaf 7: it is number 999"),
        ("UPDATE audit_tile SET hashes = hashes || '\\x00'", "epoch 1, tile 0/0: its hashes"),
        ("DELETE FROM audit_tile", "epoch 1, tile 0/0: it is gone"),
        ("UPDATE audit_checkpoint SET root = sha256('x') WHERE size = 260", "epoch 1, checkpoint 260: its root"),
        ("UPDATE audit_checkpoint SET leaves = sha256('x') WHERE size = 260", "epoch 1, checkpoint 260: its hashes"),
        ("DELETE FROM audit_checkpoint WHERE size = 300", "epoch 1, leaf 299: no checkpoint covers it"),
        (f"{SIGNATURE} value = sha256('x') || sha256('y') WHERE size = 40", "checkpoint 40: its sig"),
        (f"{SIGNATURE} key = sha256('x') WHERE size = 40", "checkpoint 40: its sig"),
    ],
)  # fmt: skip
def test_one_wrong_row_is_named(room: Room, world, statement: str, said: str):
    room.tamper(world, statement)
    assert any(said in each for each in wrong(room, world)), wrong(room, world)
    with room.enter("worker"), pytest.raises(CommandError, match="wrong"):
        call_command("fsck_log", stdout=StringIO())


def test_an_unsigned_head_and_an_event_that_nobody_seals_are_found(room: Room, world):
    [event] = room.write(world)
    with room.owner() as cursor:
        cursor.execute("DELETE FROM border.audit_pending WHERE event_id = %s", [event])
    room.tamper(world, "DELETE FROM audit_checkpointsignature WHERE size = 300")
    room.tamper(world, "UPDATE audit_checkpoint SET sealed_at = now() - interval '1 hour'")
    found = wrong(room, world)
    assert f"event {event}: it is in no tree, and does not wait for the sealer" in found
    assert "epoch 1, checkpoint 300: it is the newest, and nobody has signed it" in found


def test_an_erased_body_breaks_nothing(room: Room, world):
    room.tamper(world, f"UPDATE audit_event SET body = NULL WHERE id = ({SOME})")
    assert wrong(room, world) == []


def test_a_record_that_was_taken_out_leaves_a_gap_in_its_stream(room: Room):
    """Before its seal, with its place in the queue: nothing of it is in the tree."""
    world = room.tenant()
    _, [gone], _ = (room.write(world) for _ in range(3))
    room.tamper(world, "DELETE FROM audit_event WHERE id = %s", gone)
    with room.owner() as cursor:
        cursor.execute("DELETE FROM border.audit_pending WHERE event_id = %s", [gone])
    room.seal()
    out = StringIO()
    with room.enter("worker"), pytest.raises(CommandError):
        call_command("fsck_log", stdout=out)
    assert "1 records are missing" in out.getvalue()


def test_the_nightly_check_says_what_is_wrong_in_the_log(room: Room, world, settings):
    settings.MSPLEX_PROCESS = "worker"
    with room.enter("worker"):
        check_logs()
        with world.acting():
            assert not Event.objects.filter(kind="audit:log:fail").exists()
    room.tamper(world, "DELETE FROM audit_tile")
    with room.enter("worker"):
        check_logs()
        with world.acting():
            facts = Event.objects.get(kind="audit:log:fail").facts
    assert (facts["alert"], facts["count"], facts["wrong"]) == (True, 1, ["epoch 1, tile 0/0: it is gone"])
    connection.close()
