"""The sealer's statements, one round trip for each step; and what they read and write as values."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from audit.bell import SEALED, names
from audit.sealing.tree import WholeTile
from audit.services import BODY_LABEL
from audit.streams import Mark, fits
from tenants.ids import uuid7
from tenants.isolation.statements import Signed, one

# Held for each transaction, so that a second sealer which slipped in could still not write beside the first.
_LOCK = "SELECT pg_try_advisory_xact_lock(7305808894127435)"
_EPOCH = (
    "SELECT e.number, e.origin, e.event_id, c.size, c.root FROM audit_epoch e LEFT JOIN LATERAL ("
    " SELECT size, root FROM audit_checkpoint c WHERE c.tenant_id = e.tenant_id AND c.epoch = e.number"
    " ORDER BY size DESC LIMIT 1) c ON true WHERE e.tenant_id = %s ORDER BY e.number DESC LIMIT 1"
)
_RECORDS = (
    "SELECT e.id, e.customer_id, e.kind, e.result, e.actor_kind, e.actor_id, e.call_id, e.header, e.body,"
    " e.writer, e.boot, e.n, e.mac, l.sealed IS NOT NULL FROM audit_event e LEFT JOIN LATERAL ("
    " SELECT true AS sealed FROM audit_leaf WHERE tenant_id = e.tenant_id AND id = e.id LIMIT 1) l ON true"
    " WHERE e.tenant_id = %s AND e.id = ANY (%s) ORDER BY e.id"
)
_NEXT_K = (
    "SELECT k + 1 FROM audit_leaf WHERE tenant_id = %s AND epoch = %s AND customer_id IS NOT DISTINCT FROM %s::uuid"
    " ORDER BY k DESC LIMIT 1"
)
_ADD_EPOCH = (
    "INSERT INTO audit_epoch (tenant_id, id, number, origin, opened_at) VALUES (%s, %s, 1, %s, %s) RETURNING true"
)
_ADD_LEAVES = (
    'WITH added AS (INSERT INTO audit_leaf (tenant_id, id, epoch, "index", customer_id, k)'
    " SELECT %s, id, %s, index, customer, k"
    " FROM unnest(%s::uuid[], %s::bigint[], %s::uuid[], %s::bigint[]) AS new (id, index, customer, k) RETURNING 1)"
    " SELECT count(*) FROM added"
)
_ADD_TILE = (
    "INSERT INTO audit_tile (tenant_id, id, epoch, level, number, hashes, root)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING true"
)
_ADD_CHECKPOINT = (
    "INSERT INTO audit_checkpoint (tenant_id, id, epoch, size, root, leaves, sealed_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING true"
)
_ADD_SIGNATURE = (
    "INSERT INTO audit_checkpointsignature (tenant_id, id, epoch, size, key, value) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
_SIGNED = "SELECT EXISTS (SELECT FROM audit_checkpointsignature WHERE tenant_id = %s)"
_RING = "SELECT pg_notify(%s, %s)"
_DONE = "DELETE FROM border.audit_pending WHERE tenant_id = %s AND event_id = ANY (%s)"
_REFUSE = "UPDATE border.audit_pending SET refused = %s WHERE tenant_id = %s AND event_id = %s"


class Contradiction(Exception):
    """The database is not what was signed. The message says what is wrong with the tenant's log."""


@dataclass(frozen=True, slots=True)
class TreeRow:
    """The tenant's newest epoch and the newest checkpoint in it, signed or not."""

    epoch: int
    origin: str
    first_event: UUID | None
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """An event that waits."""

    id: UUID
    customer_id: UUID | None
    columns: tuple[Any, ...]  # kind, result, kind and id of the actor, call
    header: bytes
    body: bytes | None  # None: erased
    mark: Mark
    sealed: bool

    def trouble(self, tenant: UUID, *, may_be_erased: bool = False) -> str:
        """What is wrong with it, or nothing: it is, to the letter, what one of our processes has written."""
        if not fits(self.mark, self.header):
            return "mac"
        said = json.loads(self.header)
        is_told = hashlib.sha256(BODY_LABEL + (self.body or b"")).hexdigest() == said["body_commit"]
        if not is_told and not (self.body is None and may_be_erased):
            return "body"
        call, actor = said.get("call") or {}, said["actor"]
        told = (said["kind"], said["result"], actor["kind"], _id(actor["id"]), _id(call.get("id")))
        place = (_id(said["tenant"]), _id(said["id"]), _id(said["customer"]))
        return "" if (place, told) == ((tenant, self.id, self.customer_id), self.columns) else "columns"


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def read(db: Signed, tenant: UUID, events: Sequence[UUID]) -> tuple[TreeRow | None, list[Record]]:
    """Contradiction when another process is at work on the log."""
    locked, tree = db.ask(_LOCK), db.ask(_EPOCH, tenant)
    records = db.ask(_RECORDS, tenant, list(events))
    if one(locked) != (True,):
        raise Contradiction("another sealer is at work")
    return _tree(one(tree)), [_record(row) for row in records.fetchall()]


def _tree(row: tuple[Any, ...] | None) -> TreeRow | None:
    if row is None:
        return None
    number, origin, first_event, size, root = row
    return TreeRow(number, origin, first_event, size or 0, bytes(root or b""))


def _record(row: tuple[Any, ...]) -> Record:
    id_, customer_id, *columns, header, body, writer, boot, n, mac, sealed = row
    mark = Mark(writer, boot, n, bytes(mac))
    return Record(id_, customer_id, tuple(columns), bytes(header), None if body is None else bytes(body), mark, sealed)


def records_of(tenant: UUID, events: Sequence[UUID]) -> list[Record]:
    """The same, for whoever only looks."""
    with connection.cursor() as cursor:
        cursor.execute(_RECORDS, [tenant, list(events)])
        return [_record(row) for row in cursor.fetchall()]


def ever_signed(db: Signed, tenant: UUID) -> bool:
    return one(db.ask(_SIGNED, tenant)) == (True,)


def next_k(db: Signed, tenant: UUID, epoch: int, customer_id: UUID | None) -> int:
    row = one(db.ask(_NEXT_K, tenant, epoch, customer_id))
    return row[0] if row else 0


def add_epoch(db: Signed, tenant: UUID, origin: str) -> TreeRow:
    """The first one."""
    one(db.ask(_ADD_EPOCH, tenant, uuid7(), origin, datetime.now(UTC)))
    return TreeRow(1, origin, None, 0, b"")


@dataclass(frozen=True, slots=True)
class Growth:
    """What a pass adds to one tree. `open_leaves`: those of the last tile of level 0, joined."""

    epoch: int
    start: int
    records: Sequence[Record]
    ks: Sequence[int]
    whole: Sequence[WholeTile]
    size: int
    root: bytes
    open_leaves: bytes


def write(db: Signed, tenant: UUID, growth: Growth) -> None:
    epoch = growth.epoch
    leaves = db.ask(
        _ADD_LEAVES, tenant, epoch, [each.id for each in growth.records], list(range(growth.start, growth.size)),
        [each.customer_id for each in growth.records], list(growth.ks),
    )  # fmt: skip
    answers = [
        db.ask(_ADD_TILE, tenant, uuid7(), epoch, tile.level, tile.number, tile.hashes, tile.root)
        for tile in growth.whole
    ]
    answers.append(
        db.ask(_ADD_CHECKPOINT, tenant, uuid7(), epoch, growth.size, growth.root, growth.open_leaves, datetime.now(UTC))
    )
    if one(leaves) != (len(growth.records),) or any(one(answer) is None for answer in answers):
        raise Contradiction("the database swallowed a row")


def refuse(db: Signed, tenant: UUID, event: UUID, reason: str) -> None:
    db.ask(_REFUSE, reason, tenant, event)


def add_signature(db: Signed, tenant: UUID, at: tuple[int, int], key: bytes, value: bytes) -> None:
    """`at`: epoch and size."""
    db.ask(_ADD_SIGNATURE, tenant, uuid7(), *at, key, value)


def publish(db: Signed, tenant: UUID, events: Sequence[UUID]) -> None:
    """Whoever waits for the seal of these may go on, and is rung for when this is committed."""
    db.ask(_DONE, tenant, list(events))
    db.ask(_RING, SEALED, names(events))
