"""From a committed event to a signed checkpoint: nothing is left out, nothing that was changed is sealed."""

import contextlib
import json

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from audit.entries import entry
from audit.log_keys import log_keys, private_keys, public_of
from audit.models import Event, Leaf, Tile
from audit.sealing import sealer as module
from audit.sealing.sealer import NotAlone, be_alone
from audit.sealing.tree import GrowingTree
from audit.tlog.note import VerifierKey, verified_by
from audit.tlog.tree import leaf_hash, root_of, verify_consistency
from audit.trees import (
    checkpoint_at,
    hashes,
    leaves_between,
    newest_checkpoint,
    prove_event,
    prove_growth,
    subtree_hash,
)
from tenants.ids import uuid7
from tests.audit.sealed import Room
from tests.factories import TenantWorld

REWORD = "UPDATE audit_event SET {0} = convert_to(replace(convert_from({0}, 'UTF8'), '{1}', '{2}'), 'UTF8')"


def recomputed(epoch: int = 1) -> bytes:
    """The root, from the events alone."""
    leaves = Leaf.objects.filter(epoch=epoch).order_by("index")
    headers = {event.id: bytes(event.header) for event in Event.objects.all()}
    return root_of([leaf_hash(entry(leaf.k, headers[leaf.id])) for leaf in leaves])


def trusted(origin: str) -> list[VerifierKey]:
    return [VerifierKey(origin, public_of(key)) for key in private_keys()]


def test_events_of_every_tenant_are_sealed_in_a_tree_of_their_own(room: Room):
    worlds = [room.tenant(name="acme"), room.tenant(name="globex")]
    for world in worlds:
        room.write(world, times=3)
        room.write(world, world.customers[0])
    assert room.seal() == 8
    assert room.pending() == []

    with room.enter("app"):
        for world in worlds:
            with world.acting():
                signed = newest_checkpoint()
                origin = f"msplex.example/audit/{world.id}/e1"
                assert (signed.head.origin, signed.size, signed.head.root) == (origin, 4, recomputed())
                assert verified_by(signed.note, trusted(origin))
        assert [key.public for key in log_keys()] == [public_of(private_keys()[-1])]


def test_each_customer_counts_its_own(room: Room):
    world = room.tenant()
    one, two, _ = world.customers
    for customer in (one, None, two, one, None):
        room.write(world, customer)
        room.seal()
    room.write(world, one)
    room.seal()
    with room.enter("app"):
        with world.acting():
            assert [leaf.k for leaf in leaves_between(0, 6, one.id)] == [0, 1, 2]
            assert [leaf.index for leaf in leaves_between(1, 6, one.id)] == [3, 5]
            assert [leaf.k for leaf in leaves_between(0, 6, None)] == [0, 1]
        with world.acting(two):
            assert [leaf.k for leaf in Leaf.objects.all()] == [0]
            _, proof = prove_event(Leaf.objects.get().id)
            event = Event.objects.get()
            assert proof.holds(leaf_hash(entry(0, bytes(event.header))))
            assert not proof.holds(leaf_hash(entry(1, bytes(event.header))))


@pytest.mark.parametrize("sizes", [[255, 1, 1], [256, 44], [700], [1, 512, 3]])
def test_every_tree_can_be_proved_over_whole_and_open_tiles(room: Room, sizes: list[int]):
    world = room.tenant()
    for size in sizes:
        room.write(world, times=size)
        room.seal()
    total = sum(sizes)
    with room.enter("app"), world.acting():
        assert newest_checkpoint().head.root == recomputed()
        assert Tile.objects.filter(level=0).count() == total // 256
        first, last = checkpoint_at(sizes[0]), checkpoint_at(total)
        path = prove_growth(first.size, last.size, 1)
        assert verify_consistency(first.size, first.head.root, last.size, last.head.root, path)
        leaf, proof = prove_event(Event.objects.order_by("id")[total // 2].id)
        assert proof.index == leaf.index
        assert proof.holds(leaf_hash(entry(leaf.k, bytes(Event.objects.get(id=leaf.id).header))))
        assert subtree_hash(3, 0, 1) == hashes(total, 1)(3, 0) if total >= 8 else True


def test_the_growing_tree_of_three_levels_is_the_one_read_back():
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(66_000)]
    grown, tiles = GrowingTree.read(lambda *_: [], 0), {}
    for start in range(0, len(leaves), 999):
        for tile in grown.extend(leaves[start : start + 999]):
            tiles[tile.level, tile.number] = tile

    def read_tile(level, number, width):
        if (level, number) in tiles:
            joined = tiles[level, number].hashes
            return [joined[at : at + 32] for at in range(0, len(joined), 32)][:width]
        if level == 0:
            return leaves[number * 256 :][:width]
        return [tiles[level - 1, below].root for below in range(number * 256, number * 256 + width)]

    read = GrowingTree.read(read_tile, len(leaves))
    assert grown.root() == read.root() == root_of(leaves)
    assert {level for level, _ in tiles} == {0, 1}
    more = [leaf_hash(b"more")] * 70_000
    assert read.extend(more) == grown.extend(more)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (REWORD.format("header", '"ok"', '"no"'), "mac"),
        (REWORD.format("body", "tests", "Alice"), "body"),
        ("UPDATE audit_event SET result = 'failed'", "columns"),
        ("UPDATE audit_event SET n = n + 1", "mac"),
        ("UPDATE audit_event SET mac = '\\x00'", "mac"),
        ("DELETE FROM audit_event", "missing"),
    ],
)  # fmt: skip
def test_what_is_changed_before_it_is_sealed_is_set_aside_and_said(room: Room, statement: str, what: str):
    world = room.tenant()
    [changed] = room.write(world)
    room.tamper(world, statement)
    room.write(world)
    room.seal()
    room.seal()
    assert room.pending() == [(changed, what)]
    with room.enter("app"), world.acting():
        alert = Event.objects.get(kind="audit:record:refuse")
        assert (alert.subject_id, alert.facts["what"], alert.facts["alert"]) == (changed, what, True)
        assert Leaf.objects.filter(id=alert.id).exists()
        assert newest_checkpoint().size == 2
        assert not Leaf.objects.filter(id=changed).exists()


def test_no_event_is_written_without_its_place_in_the_queue(room: Room):
    """Whoever writes it, and however: it is the database that notes it."""
    world = room.tenant()
    [event] = room.write(world)
    copied = (
        "INSERT INTO audit_event SELECT (jsonb_populate_record(e, jsonb_build_object('id', %s::text))).*"
        " FROM audit_event e WHERE tenant_id = %s RETURNING id"
    )
    with room.enter("app"), world.acting(), connection.cursor() as cursor:
        other = uuid7()
        cursor.execute(copied, [str(other), world.id])
    assert [id_ for id_, _ in room.pending()] == [event, other]
    for statement in (
        "DELETE FROM border.audit_pending", "UPDATE border.audit_pending SET refused = 'x'",
        "INSERT INTO border.audit_pending SELECT", "TRUNCATE border.audit_pending",
        "SELECT * FROM border.audit_pending",
        "INSERT INTO border.log_key (public) SELECT ''", "SELECT border.audit_announce()",
    ):  # fmt: skip
        for role in ("app", "worker", "broker", "provider"):
            with room.enter(role), pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                connection.cursor().execute(statement)


@pytest.mark.parametrize(
    "table", ["audit_leaf", "audit_tile", "audit_checkpoint", "audit_checkpointsignature", "audit_epoch"]
)
def test_not_even_the_sealer_changes_what_it_has_written(room: Room, table: str):
    world = room.tenant()
    for statement in (f"UPDATE {table} SET epoch = 2", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        for role in ("sealer", "app", "worker", "broker"):
            with room.enter(role), world.acting(), pytest.raises(DatabaseError), transaction.atomic():
                connection.cursor().execute(statement.replace("epoch", "number") if "epoch" in table else statement)


def test_a_crash_between_commit_and_signature_signs_the_same_head_again(room: Room, monkeypatch):
    world = room.tenant()
    room.write(world, times=5)
    with monkeypatch.context() as broken:
        broken.setattr(module, "sign_and_publish", lambda *_: exec("raise KeyboardInterrupt"))
        with contextlib.suppress(KeyboardInterrupt):
            room.seal()
    assert len(room.pending()) == 5
    room.write(world, times=2)
    room.seal()
    with room.enter("app"), world.acting():
        assert (newest_checkpoint().size, newest_checkpoint().head.root) == (7, recomputed())
    assert room.pending() == []


def test_a_crash_before_the_sealer_remembered_is_no_contradiction(room: Room, monkeypatch):
    world = room.tenant()
    for _ in range(2):
        room.write(world, times=5)
        with monkeypatch.context() as broken, contextlib.suppress(KeyboardInterrupt):
            broken.setattr(module.Memory, "keep", lambda *_: exec("raise KeyboardInterrupt"))
            room.seal()
        with room.enter("sealer"):
            again = room.sealer()
            again.once()
            assert [seen.beyond for seen in again.memory.streams.values()] == [()]  # nor a gap
    with room.enter("app"), world.acting():
        assert (newest_checkpoint().size, newest_checkpoint().head.root) == (10, recomputed())


def set_back(room: Room, world: TenantWorld, size: int) -> None:
    """The database as a backup has it."""
    for table in ("audit_checkpoint", "audit_checkpointsignature"):
        room.tamper(world, f"DELETE FROM {table} WHERE size > %s", size)
    room.tamper(world, "DELETE FROM audit_leaf WHERE index >= %s", size)


@pytest.mark.parametrize("running", [True, False])
def test_a_database_that_was_set_back_is_not_signed(room: Room, running: bool):
    world, other = room.tenant(name="acme"), room.tenant(name="globex")
    room.write(world, times=3)
    with room.enter("sealer"):
        sealer = room.sealer()
        sealer.once()
    room.write(world, times=3)
    with room.enter("sealer"):
        sealer.once()
    set_back(room, world, 3)
    room.write(world)
    room.write(other)
    with room.enter("sealer"):
        (sealer if running else room.sealer()).once()
    with room.enter("app"):
        with world.acting():
            assert newest_checkpoint().size == 3
            [alert] = Event.objects.filter(kind="audit:log:refuse")
            assert alert.facts["alert"]
        with other.acting():
            assert newest_checkpoint().size == 1
    assert len(room.pending()) == 2


def test_a_rewritten_tree_is_not_signed(room: Room):
    """Root, tile and leaf agree among themselves, but not with what was signed."""
    world = room.tenant()
    room.write(world, times=3)
    room.seal()
    forged = root_of([bytes(32)] * 3)
    room.tamper(world, "UPDATE audit_checkpoint SET root = %s, leaves = %s", forged, bytes(96))
    room.write(world)
    room.seal()
    with room.enter("app"), world.acting():
        assert Event.objects.filter(kind="audit:log:refuse").count() == 1
        assert newest_checkpoint().size == 3


@pytest.mark.parametrize("statement", ["DELETE FROM audit_tile", "UPDATE audit_tile SET root = sha256('x')"])
def test_a_tree_with_a_hole_is_not_signed_and_holds_up_nobody_else(room: Room, statement: str):
    world, other = room.tenant(name="acme"), room.tenant(name="globex")
    room.write(world, times=300)
    room.seal()
    room.tamper(world, statement)
    room.write(world)
    room.write(other)
    room.seal()
    with room.enter("app"):
        with world.acting():
            assert "tiles" in Event.objects.get(kind="audit:log:refuse").facts["what"]
            assert newest_checkpoint().size == 300
        with other.acting():
            assert newest_checkpoint().size == 1


def test_a_sealer_without_its_memory_does_not_sign_what_others_have(room: Room, tmp_path):
    world = room.tenant()
    room.write(world)
    room.seal()
    room.directory = tmp_path / "fresh"
    room.write(world)
    room.seal()
    with room.enter("app"), world.acting():
        assert newest_checkpoint().size == 1
        assert "nothing of" in Event.objects.get(kind="audit:log:refuse").facts["what"]


def test_the_server_keeps_the_plan_of_what_the_loop_asks_all_the_time(room: Room):
    with room.enter("sealer"):
        sealer = room.sealer()
        for _ in range(3):
            sealer.once()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%border.audit_pending%'")
            assert cursor.fetchone() == (1,)
        connection.close()  # back to the pool, and clean: nothing is believed to be there that is not
        assert [sealer.once() for _ in range(2)] == [0, 0]


def test_there_is_one_sealer(room: Room):
    with room.enter("sealer"):
        be_alone()
        holder = connection.connection
        connection.connection = None
        try:
            with pytest.raises(NotAlone, match="Another sealer"):
                be_alone(0.1)
        finally:
            connection.close()
            connection.connection = holder


def test_a_new_key_takes_over_when_both_have_signed(room: Room):
    from tenants.key_files import new_key  # noqa: PLC0415

    world = room.tenant()
    room.write(world)
    room.seal()
    two = settings.LOG_SIGNING_KEY + "\n" + new_key()
    room.seal(two)
    old, new = map(public_of, private_keys(two))
    with room.enter("app"):
        assert [key.public for key in log_keys()] == [old, new]
        assert [bool(key.until) for key in log_keys()] == [True, False]
        with world.acting():
            handed = checkpoint_at(1)
            origin = handed.head.origin
            both = [VerifierKey(origin, key) for key in (old, new)]
            assert verified_by(handed.note, both) == both
            assert newest_checkpoint().size == 2  # with the event that says so
            assert verified_by(newest_checkpoint().note, both) == both[1:]
            facts = Event.objects.get(kind="audit:key:change").facts
            assert (facts["old"], facts["new"]) == (old.hex(), new.hex())
    room.write(world)
    room.seal(two.split("-----END PRIVATE KEY-----", 1)[1])  # the old one is gone
    with room.enter("app"), world.acting():
        assert newest_checkpoint().size == 3


def test_a_key_that_does_not_follow_signs_nothing(room: Room):
    from audit.sealing.handover import HandOverRefused  # noqa: PLC0415
    from tenants.key_files import new_key  # noqa: PLC0415

    world = room.tenant()
    room.write(world)
    room.seal()
    with pytest.raises(HandOverRefused):
        room.seal(new_key())
    room.seal(settings.LOG_SIGNING_KEY + new_key())
    with pytest.raises(HandOverRefused):
        room.seal(settings.LOG_SIGNING_KEY)


def test_the_header_of_a_leaf_says_what_the_event_said(room: Room):
    world = room.tenant()
    [event] = room.write(world)
    room.seal()
    with room.enter("app"), world.acting():
        _, proof = prove_event(event)
        header = bytes(Event.objects.get().header)
        assert json.loads(header)["id"] == str(event)
        assert proof.parse(str(proof).encode()).holds(leaf_hash(entry(0, header)))
