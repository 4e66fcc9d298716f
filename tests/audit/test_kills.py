"""The sealer is killed again and again while events are written: none is lost, and every head is what the events say.

The long version, with a hundred kills and PostgreSQL itself stopped in the middle: make bench ARGS=kills.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from audit.fsck import check_tenant
from audit.models import Checkpoint, Leaf
from audit.trees import newest_checkpoint
from tests.audit.sealed import Room
from tests.conftest import sealer_environment, start_sealer

pytestmark = pytest.mark.slow
KILLS, WRITERS = 6, 3
ROOT = Path(__file__).parents[2]


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


def test_a_sealer_that_hangs_ends_by_itself_and_says_where_it_stood():
    code = (
        "import time, django; django.setup()\nfrom msplex.management.commands import seal; seal.HUNG_SECONDS = 0.5\n"
        "seal.SAY_SECONDS, alive = 0.2, seal.Alive()\n"
        "for _ in range(10): assert alive.still(); time.sleep(0.1)\n"
        "print('goes on', flush=True); time.sleep(20)"
    )
    environment = sealer_environment(Path("nowhere")) | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=15, check=False
    )

    assert (done.returncode, done.stdout) == (1, "goes on\n")
    assert "Timeout (0:00:00.500000)!" in done.stderr


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
