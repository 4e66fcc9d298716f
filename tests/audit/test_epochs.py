"""After a restore from a backup: a new tree, whose first leaf says why and names the last head that was signed."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.models import Epoch, Event, Leaf
from audit.trees import checkpoint_at, newest_checkpoint
from tests.audit.sealed import Room
from tests.audit.test_sealing import recomputed, set_back


def begin_anew(room: Room, world, settings, **options: str) -> str:
    settings.SEALER_DIR, out = str(room.directory), StringIO()
    given = {"reason": "restored from the backup of Friday", "by": "Alice"} | options
    with room.enter("sealer"):
        call_command("open_epoch", str(world.id), **given, stdout=out)
    return out.getvalue()


def test_the_sealer_goes_on_with_a_new_epoch(room: Room, settings):
    world = room.tenant()
    room.write(world, times=3)
    room.seal()
    room.write(world, times=3)
    room.seal()
    with room.enter("app"), world.acting():
        lost = newest_checkpoint().head
    set_back(room, world, 3)
    room.tamper(world, "DELETE FROM audit_event WHERE id NOT IN (SELECT id FROM audit_leaf)")
    waiting = room.write(world, world.customers[0], times=2)
    room.seal()  # refused

    assert "Epoch 2 is open" in begin_anew(room, world, settings)
    room.seal()

    with room.enter("app"), world.acting():
        signed, first = newest_checkpoint(), Leaf.objects.get(epoch=2, index=0)
        assert (signed.epoch, signed.head.origin) == (2, Epoch.objects.get(number=2).origin)
        assert signed.head.origin.endswith(f"{world.id}/e2")
        assert signed.head.root == recomputed(2)
        event = Event.objects.get(id=first.id)
        assert (event.kind, event.facts["reason"]) == ("audit:epoch:open", "restored from the backup of Friday")
        before = {"epoch": 1, "size": 6, "root": lost.root.hex(), "known_by": "sealer"}
        assert event.facts["before"] == before
        assert Leaf.objects.filter(epoch=2, id__in=waiting).count() == 2
        assert [leaf.k for leaf in Leaf.objects.filter(epoch=2, customer_id=world.customers[0].id)] == [0, 1]
        assert checkpoint_at(3, 1).size == 3
    assert room.pending() == []
    room.write(world)
    room.seal()
    with room.enter("app"), world.acting():
        assert newest_checkpoint().epoch == 2


def test_nothing_goes_before_the_event_that_opens_it(room: Room, settings):
    world = room.tenant()
    room.write(world)
    room.seal()
    earlier = room.write(world)
    begin_anew(room, world, settings)
    room.seal()
    with room.enter("app"), world.acting():
        assert list(Leaf.objects.filter(epoch=2).order_by("index").values_list("id", flat=True))[1:] == earlier


def test_it_wants_a_reason_and_a_log(room: Room, settings):
    world = room.tenant()
    with pytest.raises(CommandError, match="Nothing of this tenant"):
        begin_anew(room, world, settings)
    with pytest.raises(CommandError, match="Say why"):
        begin_anew(room, world, settings, reason=" ")
    settings.SEALER_DIR = ""
    with room.enter("sealer"), pytest.raises(CommandError, match="MSPLEX_SEALER_DIR"):
        call_command("open_epoch", str(world.id), reason="x", by="x")
