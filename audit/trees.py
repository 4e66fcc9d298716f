"""Reading the acting tenant's trees: hashes, proofs, and the checkpoints that were signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from audit.entries import entry
from audit.errors import NoSuchTree, NotSealed
from audit.models import Checkpoint as Row
from audit.models import CheckpointSignature, Epoch, Event, Leaf, Tile
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.note import Note, Signature, VerifierKey
from audit.tlog.proof import InclusionProof
from audit.tlog.tiles import WIDTH, ReadTile, hashes_from
from audit.tlog.tree import HASH_BYTES, ReadHash, consistency_proof, inclusion_proof, leaf_hash


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    epoch: int
    note: Note

    @property
    def head(self) -> Checkpoint:
        return Checkpoint.parse(self.note.text)

    @property
    def size(self) -> int:
        return self.head.size


def epoch(number: int | None = None) -> Epoch:
    """The one of now, or another; NoSuchTree before anything was sealed."""
    epochs = Epoch.objects.order_by("-number")
    found = epochs.first() if number is None else epochs.filter(number=number).first()
    if found is None:
        raise NoSuchTree
    return found


def newest_checkpoint(number: int | None = None) -> SignedCheckpoint:
    """The newest that was signed. NotSealed if there is none yet."""
    return _signed(epoch(number), CheckpointSignature.objects.order_by("-size"))


def checkpoint_at(size: int, number: int | None = None) -> SignedCheckpoint:
    """Of exactly that size. NotSealed if none was signed: checkpoints are made when there is something to seal."""
    return _signed(epoch(number), CheckpointSignature.objects.filter(size=size))


def _signed(tree: Epoch, signatures: QuerySet[CheckpointSignature]) -> SignedCheckpoint:
    newest = signatures.filter(epoch=tree.number).first()
    if newest is None:
        raise NotSealed
    row = Row.objects.get(epoch=tree.number, size=newest.size)
    rows = CheckpointSignature.objects.filter(epoch=tree.number, size=newest.size).order_by("id")
    text = str(Checkpoint(tree.origin, row.size, bytes(row.root)))
    return SignedCheckpoint(tree.number, Note(text, tuple(_line(tree.origin, each) for each in rows)))


def _line(origin: str, row: CheckpointSignature) -> Signature:
    return Signature(origin, VerifierKey(origin, bytes(row.key)).key_id, bytes(row.value))


def leaves_between(start: int, end: int, customer_id: UUID | None, number: int | None = None) -> QuerySet[Leaf]:
    """The customer's leaves (None: those of no customer) with an index in [start, end), in their order."""
    within = Leaf.objects.filter(epoch=epoch(number).number, index__gte=start, index__lt=end)
    return within.filter(customer_id=customer_id).order_by("k")


def hashes(size: int, number: int) -> ReadHash:
    """The hash of any complete subtree (level, index) of the tree of that size."""
    return hashes_from(tile_reader(number), size)


def subtree_hash(level: int, index: int, number: int) -> bytes:
    """The root over the leaves [index << level, (index + 1) << level)."""
    return hashes((index + 1) << level, number)(level, index)


def prove_event(event_id: UUID) -> tuple[Leaf, InclusionProof]:
    """That an event is in the newest signed checkpoint. NotSealed: not yet."""
    leaf = Leaf.objects.filter(id=event_id).first()
    if leaf is None:
        raise NotSealed
    signed = newest_checkpoint(leaf.epoch)
    if leaf.index >= signed.size:
        raise NotSealed
    path = inclusion_proof(hashes(signed.size, leaf.epoch), leaf.index, signed.size)
    return leaf, InclusionProof(leaf.index, tuple(path), signed.note)


def prove_growth(old: int, new: int, number: int) -> list[bytes]:
    """That the tree of `old` leaves is the beginning of the one of `new`."""
    return consistency_proof(hashes(new, number), old, new)


def leaf_of(event: Event, leaf: Leaf) -> bytes:
    return leaf_hash(entry(leaf.k, bytes(event.header)))


def tile_reader(number: int) -> ReadTile:
    def read(level: int, tile: int, width: int) -> Sequence[bytes]:
        whole = Tile.objects.filter(epoch=number, level=level, number=tile).values_list("hashes", flat=True).first()
        if whole is not None:
            return split(bytes(whole))[:width]
        return (_recent if level == 0 else _roots)(number, level, tile * WIDTH, width)

    return read


def _recent(number: int, _level: int, start: int, width: int) -> list[bytes]:
    """Leaves that are in no whole tile yet: they stand with the checkpoints."""
    found: list[bytes] = []
    rows = Row.objects.filter(epoch=number, size__gt=start).order_by("size").values_list("leaves", flat=True)
    for leaves in rows[:WIDTH]:
        found.extend(split(bytes(leaves)))
        if len(found) >= width:
            break
    return found[:width]


def _roots(number: int, level: int, start: int, width: int) -> list[bytes]:
    """A tile of a higher level that is not whole: the roots of whole ones below."""
    below = Tile.objects.filter(epoch=number, level=level - 1, number__gte=start, number__lt=start + width)
    return [bytes(root) for root in below.order_by("number").values_list("root", flat=True)]


def split(joined: bytes) -> list[bytes]:
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
