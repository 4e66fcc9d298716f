"""The sealer is killed again and again while events are written: none is lost, and every head is what the events say.

The long version, with a hundred kills and PostgreSQL itself stopped in the middle: make bench ARGS=kills.
"""

import random
import signal
import time

import pytest
from django.db import connection

from audit.fsck import check_tenant
from audit.models import Checkpoint, Leaf
from audit.trees import newest_checkpoint
from tests.audit.sealed import Room
from tests.conftest import start_sealer

pytestmark = pytest.mark.slow
KILLS, WRITERS = 6, 3


def test_no_event_is_lost_and_no_head_is_wrong_however_often_it_is_killed(room: Room, scratch_database):
    from tests.audit.writers import Writers  # noqa: PLC0415

    worlds = [room.tenant(name="acme"), room.tenant(name="globex")]
    signed: list[tuple[int, int, bytes]] = []
    with Writers(scratch_database.name, [world.id for world in worlds], threads=WRITERS) as writers:
        for _ in range(KILLS):
            process = start_sealer(room.directory, scratch_database.name)
            time.sleep(random.uniform(0.05, 0.5))
            process.send_signal(signal.SIGKILL)
            process.wait()
            signed += _signed(room, worlds)
    written = writers.written
    room.seal()
    while room.pending():
        room.seal()

    with room.enter("worker"):
        for number, world in enumerate(worlds):
            found = check_tenant(world.id)
            assert found.wrong == []
            with world.acting():
                assert set(written[world.id]) <= set(Leaf.objects.values_list("id", flat=True))
                assert newest_checkpoint().size == found.events == len(written[world.id])
                roots = dict(Checkpoint.objects.values_list("size", "root"))
                for whose, size, root in signed:
                    assert whose != number or bytes(roots[size]) == root  # what was signed once still is
    assert signed
    connection.close()


def _signed(room: Room, worlds) -> list[tuple[int, int, bytes]]:
    from audit.errors import NoSuchTree, NotSealed  # noqa: PLC0415

    heads = []
    with room.enter("app"):
        for number, world in enumerate(worlds):
            with world.acting():
                try:
                    head = newest_checkpoint().head
                except (NoSuchTree, NotSealed):
                    continue
                heads.append((number, head.size, head.root))
    return heads
