"""One tenant's log in a pass: read, check, grow, commit; and once the sealer has remembered it, sign."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from audit.actors import system
from audit.entries import entry
from audit.kinds import EventKind
from audit.log_keys import public_of
from audit.sealing.memory import Head
from audit.sealing.statements import (
    Contradiction,
    Growth,
    Record,
    TreeRow,
    add_epoch,
    add_signature,
    ever_signed,
    next_k,
    publish,
    read,
    refuse,
    write,
)
from audit.sealing.tree import GrowingTree
from audit.services import queue_record
from audit.tlog.checkpoint import Checkpoint, origin_of
from audit.tlog.note import sign
from audit.tlog.tiles import WIDTH, frontier_from, hashes_from
from audit.tlog.tree import EMPTY_ROOT, leaf_hash
from audit.trees import tile_reader
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import Signed, signed_transaction

logger = logging.getLogger(__name__)
SEALER = system("sealer")


@dataclass
class Log:
    """Kept from pass to pass. `ks`: the next k of each customer, as far as they are known."""

    tenant: UUID
    epoch: int
    origin: str
    tree: GrowingTree
    ks: dict[UUID | None, int] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        return Head(self.epoch, self.tree.size, self.tree.root())


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass has done to a log: sealed up to its head.

    Among the records are those that an earlier sealer has sealed, and was killed before it remembered them.
    """

    log: Log
    records: Sequence[Record]

    @property
    def events(self) -> list[UUID]:
        return [record.id for record in self.records]


def seal(tenant: UUID, events: Sequence[UUID], *, known: Log | None, remembered: Head | None, host: str) -> Pass | None:
    """Commit the growth of one tenant's tree. None: nothing could be sealed yet.

    Contradiction when the database is not what was signed: then nothing is.
    """
    with acting_for(Context(tenant)):
        if known is None:
            known = _load(tenant, remembered)
        with signed_transaction() as db:
            row, records = read(db, tenant, events)
            log = _agreed(db, tenant, row, known, host)
            good = _checked(db, tenant, events, records)
            good = _after_the_first(row, log, good)
            fresh = [record for record in good if not record.sealed]
            if fresh:
                log = _grown(db, log, fresh)
    return Pass(log, good) if good else None


def _load(tenant: UUID, remembered: Head | None) -> Log | None:
    """The tree as the database has it, if it leads to its checkpoint and to what the sealer remembers."""
    with signed_transaction() as db:
        row, _ = read(db, tenant, [])
        signed = ever_signed(db, tenant)
    if row is None:
        if remembered:
            raise Contradiction("the log is gone from the database")
        return None
    try:
        with transaction.atomic():
            tree = GrowingTree.read(tile_reader(row.epoch), row.size)
            if row.size and tree.root() != row.root:
                raise Contradiction(f"the tiles do not lead to the checkpoint of size {row.size}")
            if signed or remembered:
                _compare(row, remembered)
    except (LookupError, ValueError) as error:  # of those who read tiles
        raise Contradiction(f"the tiles are not all there: {error}") from None
    return Log(tenant, row.epoch, row.origin, tree)


def _compare(row: TreeRow, remembered: Head | None) -> None:
    """Never sign backwards, nor beside what was signed."""
    if remembered is None:
        raise Contradiction("checkpoints were signed that this sealer knows nothing of")
    if remembered.epoch < row.epoch:
        return
    if (row.epoch, row.size) < (remembered.epoch, remembered.size):
        raise Contradiction(f"epoch {remembered.epoch} was signed at size {remembered.size}; here it has {row.size}")
    then = frontier_from(hashes_from(tile_reader(row.epoch), row.size), remembered.size).root()
    if then != (remembered.root if remembered.size else EMPTY_ROOT):
        raise Contradiction(f"another root was signed at size {remembered.size}")


def _agreed(db: Signed, tenant: UUID, row: TreeRow | None, known: Log | None, host: str) -> Log:
    """The log that is to grow: the known one, if the database has not changed under it."""
    if row is None:
        if known:
            raise Contradiction("the log is gone from the database")
        row = add_epoch(db, tenant, origin_of(host, tenant, 1))
    if known is None or (known.epoch < row.epoch and not row.size):
        return Log(tenant, row.epoch, row.origin, GrowingTree.read(lambda *_: [], 0))
    if (known.epoch, known.tree.size) != (row.epoch, row.size) or (row.size and known.tree.root() != row.root):
        raise Contradiction("the newest checkpoint is not the one that this sealer made")
    return known


def _checked(db: Signed, tenant: UUID, events: Sequence[UUID], records: Sequence[Record]) -> list[Record]:
    """Those that are what their process wrote. The others are set aside, and it is said."""
    found = {record.id: record for record in records}
    good: list[Record] = []
    for event in events:
        record = found.get(event)
        trouble = record.trouble(tenant) if record else "missing"
        if record and not trouble:
            good.append(record)
        else:
            _set_aside(db, tenant, event, trouble)
    return good


def _set_aside(db: Signed, tenant: UUID, event: UUID, trouble: str) -> None:
    logger.error("alert: event %s of tenant %s is not what was recorded: %s", event, tenant, trouble)
    refuse(db, tenant, event, trouble)
    body = {"alert": True, "what": trouble}
    subject = ("event", event, "")
    queue_record(
        db, EventKind.AUDIT_RECORD_REFUSED, actor=SEALER, subject=subject, customer_id=None, result="refused", body=body
    ).confirm()


def _after_the_first(row: TreeRow | None, log: Log, good: list[Record]) -> list[Record]:
    """A new epoch begins with the event that says why; until that is there, nothing goes before it."""
    first = row.first_event if row else None
    if first is None or log.tree.size:
        return good
    ahead = [record for record in good if record.id == first]
    return ahead + [record for record in good if record.id != first] if ahead else []


def _grown(db: Signed, log: Log, records: Sequence[Record]) -> Log:
    """As it is once this transaction commits; the log itself stays what it was, in case that it does not."""
    ks, tree, numbers = dict(log.ks), log.tree.copy(), []
    for record in records:
        if record.customer_id not in ks:
            ks[record.customer_id] = next_k(db, log.tenant, log.epoch, record.customer_id)
        numbers.append(ks[record.customer_id])
        ks[record.customer_id] += 1
    leaves = [leaf_hash(entry(k, record.header)) for k, record in zip(numbers, records, strict=True)]
    whole = tree.extend(leaves)
    kept = min(len(leaves), tree.size % WIDTH)
    growth = Growth(
        log.epoch,
        log.tree.size,
        records,
        numbers,
        whole,
        tree.size,
        tree.root(),
        b"".join(leaves[len(leaves) - kept :]),
    )
    write(db, log.tenant, growth)
    return Log(log.tenant, log.epoch, log.origin, tree, ks)


def sign_and_publish(done: Pass, keys: Sequence[Ed25519PrivateKey]) -> None:
    """Ed25519 is deterministic: after a crash the same head gets the same signature again, so this need not wait for
    the disk; what is signed does, here and in the sealer's memory."""
    log = done.log
    text = str(Checkpoint(log.origin, log.tree.size, log.tree.root()))
    with acting_for(Context(log.tenant)), signed_transaction(lasting=False) as db:
        for key in keys:
            signature = sign(text, key, log.origin)
            add_signature(db, log.tenant, (log.epoch, log.tree.size), public_of(key), signature.value)
        publish(db, log.tenant, done.events)
