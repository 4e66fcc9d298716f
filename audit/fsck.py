"""A tenant's whole log recomputed from its events: MACs, leaves, tiles, roots, signatures, numbers of streams."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from audit.entries import entry
from audit.log_keys import log_keys
from audit.models import Checkpoint as Row
from audit.models import CheckpointSignature, Epoch, Event, Leaf, Tile
from audit.sealing.statements import records_of
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.note import Note, NoteInvalid, Signature, VerifierKey, verified_by
from audit.tlog.tiles import WIDTH
from audit.tlog.tree import Frontier, leaf_hash, root_of
from tenants.isolation.context import Context, acting_for

BATCH = 1000
Numbers = dict[UUID, set[int]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row, and what is wrong with it."""

    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.row}: {self.what}"


@dataclass
class Found:
    """Of one tenant. `numbers`: those of the streams that it has records of; a stream goes over tenants."""

    events: int = 0
    leaves: int = 0
    checkpoints: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    numbers: Numbers = field(default_factory=dict)


def check_tenant(tenant: UUID) -> Found:
    """While the sealer goes on. Reads only."""
    found = Found()
    with acting_for(Context(tenant)), transaction.atomic():
        found.wrong.extend(_wrong_events(tenant, found))
        for epoch in Epoch.objects.order_by("number"):
            found.wrong.extend(_wrong_tree(epoch, found))
    return found


def gaps(numbers: Numbers) -> Iterator[Wrong]:
    """Over every tenant. Numbers begin at 0, and a rollback uses none up."""
    for boot, seen in numbers.items():
        missing = sorted(set(range(max(seen) + 1)) - seen)
        if missing:
            yield Wrong(f"stream {boot}", f"{len(missing)} records are missing, the first is number {missing[0]}")


def _wrong_events(tenant: UUID, found: Found) -> Iterator[Wrong]:
    """Each is what its process wrote, and is in the tree or on its way."""
    last = UUID(int=0)
    while batch := list(Event.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True)[:BATCH]):
        last = batch[-1]
        for record in records_of(tenant, batch):
            found.events += 1
            found.numbers.setdefault(record.mark.boot, set()).add(record.mark.n)
            if trouble := record.trouble(tenant, may_be_erased=True):
                yield Wrong(f"event {record.id}", f"it is not what was recorded ({trouble})")
            elif not record.sealed and not _waits(record.id) and not Leaf.objects.filter(id=record.id).exists():
                yield Wrong(f"event {record.id}", "it is in no tree, and does not wait for the sealer")


def _waits(event: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT border.audit_sealed(%s::uuid[])", [[event]])
        return bool(cursor.fetchone()[0])


@dataclass
class _Walk:
    """Along the leaves of one tree: what is due at which size."""

    epoch: Epoch
    frontier: Frontier = field(default_factory=Frontier)
    tile: list[bytes] = field(default_factory=list)
    roots: list[list[bytes]] = field(default_factory=list)
    ks: dict[UUID | None, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"epoch {self.epoch.number}"


def _wrong_tree(epoch: Epoch, found: Found) -> Iterator[Wrong]:
    walk, rows = _Walk(epoch), Row.objects.filter(epoch=epoch.number)
    highest = Leaf.objects.filter(epoch=epoch.number).order_by("-index").first()
    newest = rows.order_by("-size").first()  # read after the leaves: whatever they are, it covers them
    if highest and (newest is None or newest.size <= highest.index):
        yield Wrong(f"{walk.name}, leaf {highest.index}", "no checkpoint covers it")
    if newest is None:
        return
    keys = [VerifierKey(epoch.origin, key.public) for key in log_keys()]
    leaves = _leaves(epoch)
    for row in rows.filter(size__lte=newest.size).order_by("size").iterator(BATCH):
        while walk.frontier.size < row.size:
            leaf = next(leaves, None)
            if leaf is None:
                yield Wrong(f"{walk.name}, checkpoint {row.size}", f"there are {walk.frontier.size} leaves only")
                return
            found.leaves += 1
            yield from _wrong_leaf(walk, *leaf)
        found.checkpoints += 1
        yield from _wrong_checkpoint(walk, row, keys)
    if not _is_signed(newest):
        yield Wrong(f"{walk.name}, checkpoint {newest.size}", "it is the newest, and nobody has signed it")


def _is_signed(row: Row) -> bool:
    """Or so new that it is about to be."""
    fresh = row.sealed_at > datetime.now(UTC) - timedelta(minutes=1)
    return fresh or CheckpointSignature.objects.filter(epoch=row.epoch, size=row.size).exists()


def _leaves(epoch: Epoch) -> Iterator[tuple[Leaf, bytes | None]]:
    """In order, each with the header of its event."""
    at = -1
    while batch := list(Leaf.objects.filter(epoch=epoch.number, index__gt=at).order_by("index")[:BATCH]):
        at = batch[-1].index
        rows = Event.objects.filter(id__in=[leaf.id for leaf in batch]).values_list("id", "header")
        headers = {id_: bytes(header) for id_, header in rows}
        yield from ((leaf, headers.get(leaf.id)) for leaf in batch)


def _wrong_leaf(walk: _Walk, leaf: Leaf, header: bytes | None) -> Iterator[Wrong]:
    name, k = f"{walk.name}, leaf {leaf.index}", walk.ks.get(leaf.customer_id, 0)
    walk.ks[leaf.customer_id] = leaf.k + 1
    if leaf.index != walk.frontier.size:
        yield Wrong(name, f"leaf {walk.frontier.size} is missing before it")
    if leaf.k != k:
        yield Wrong(name, f"it is number {leaf.k} of its customer; {k} is due")
    if header is None:
        yield Wrong(name, f"its event {leaf.id} is gone")
    hash_ = leaf_hash(entry(leaf.k, header or b""))
    walk.frontier.append(hash_)
    walk.tile.append(hash_)
    if len(walk.tile) == WIDTH:
        yield from _wrong_tile(walk, 0, leaf.index // WIDTH, walk.tile)
        walk.tile = []


def _wrong_tile(walk: _Walk, level: int, number: int, hashes: list[bytes]) -> Iterator[Wrong]:
    """And the tile above, if this one makes it whole."""
    name, root = f"{walk.name}, tile {level}/{number}", root_of(hashes)
    tile = Tile.objects.filter(epoch=walk.epoch.number, level=level, number=number).first()
    if tile is None:
        yield Wrong(name, "it is gone")
    elif (bytes(tile.hashes), bytes(tile.root)) != (b"".join(hashes), root):
        yield Wrong(name, "its hashes are not those of the events")
    while len(walk.roots) <= level:
        walk.roots.append([])
    walk.roots[level].append(root)
    if len(walk.roots[level]) == WIDTH:
        yield from _wrong_tile(walk, level + 1, number // WIDTH, walk.roots[level])
        walk.roots[level] = []


def _wrong_checkpoint(walk: _Walk, row: Row, keys: list[VerifierKey]) -> Iterator[Wrong]:
    name = f"{walk.name}, checkpoint {row.size}"
    if bytes(row.root) != walk.frontier.root():
        yield Wrong(name, "its root is not that of the events")
    kept = walk.tile[max(0, len(walk.tile) - len(bytes(row.leaves)) // 32) :]
    if bytes(row.leaves) != b"".join(kept):
        yield Wrong(name, "its hashes are not those of the events")
    text = str(Checkpoint(walk.epoch.origin, row.size, bytes(row.root)))
    for signature in CheckpointSignature.objects.filter(epoch=row.epoch, size=row.size):
        key = VerifierKey(walk.epoch.origin, bytes(signature.key))
        try:
            verified_by(Note(text, (Signature(key.name, key.key_id, bytes(signature.value)),)), keys)
        except NoteInvalid as error:
            yield Wrong(name, f"its signature does not hold: {error}")
