"""Moving credentials to the storage key of now, batch after batch, while they are in use. In the broker.

What is left follows from the rows: whatever names another key. So it may be stopped, or killed, at any point, and goes
on. Nobody waits for it: reads are not locked, and rows that somebody else is at are skipped.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from audit.kinds import EventKind
from audit.services import queue_record
from connectors.adoption import BROKER
from connectors.keeping import UNREADABLE, Whose, sealed_of, trouble_with, unwrapping_key
from connectors.keyring import Purpose, ring
from connectors.models import AdoptedSecret, Credential
from connectors.registry import KeyRow, Mode, ask_storage_key, storage_key
from connectors.sealing import SealBroken, reencrypted, rewrapped
from connectors.suites import UnwrappingKey, WrappingKey
from tenants.isolation.context import Context, acting_tenant
from tenants.isolation.statements import Signed, columns, signed_transaction, split

logger = logging.getLogger(__name__)
BATCH, SMALLEST = 200, 10
REST = 0.25  # of the time that a batch took, before the next
_FIRST = UUID(int=0)
# The number of rows stands in the statement: as a value it would be unknown to the plan, which would read them all.
_TAKE = (
    f"SELECT {columns(AdoptedSecret, 'a')}, {columns(Credential, 'c')} FROM connectors_adoptedsecret a"  # noqa: S608
    # LIMIT 1: each is looked up by its key, whatever the statistics make the planner think of the table.
    " CROSS JOIN LATERAL (SELECT * FROM connectors_credential t"
    "  WHERE t.tenant_id = a.tenant_id AND t.id = a.credential_id LIMIT 1) c"
    # Of a column that has one value in every row the plan would expect no other, and read and sort all rows each time.
    " WHERE a.tenant_id = %s AND a.id > %s AND a.kek_id || '' <> %s AND a.unreadable = ''"
    " ORDER BY a.id LIMIT {size:d} FOR UPDATE OF a SKIP LOCKED"
)
_MOVE = (
    "UPDATE connectors_adoptedsecret a SET suite = %s, kek_id = %s, payload = n.payload, wrapped_key = n.wrapped_key,"
    " rev = n.rev + 1, signature = n.signature, rekeyed_at = %s, data_key_at = n.data_key_at"
    " FROM unnest(%b::uuid[], %b::int[], %b::bytea[], %b::bytea[], %b::bytea[], %b::timestamptz[])"
    " AS n (id, rev, payload, wrapped_key, signature, data_key_at)"
    " WHERE a.tenant_id = %s AND a.id = n.id AND a.rev = n.rev RETURNING a.id"
)
_SET_ASIDE = "UPDATE connectors_adoptedsecret SET unreadable = %s WHERE tenant_id = %s AND id = %s RETURNING true"


@dataclasses.dataclass(slots=True)
class Moved:
    """`last`: the id up to which rows were looked at; None when none was left."""

    done: int = 0
    aside: int = 0
    last: UUID | None = None


def move_rows(*, until: float, batch: int = BATCH, rest: float = REST) -> bool:
    """Those of the acting tenant, until none is left or the time (of time.monotonic) is over; whether none is left."""
    last: UUID | None = _FIRST
    size = batch
    while last is not None:
        began = time.monotonic()
        if began >= until:
            return False
        try:
            last, size = move_batch(after=last, size=size).last, min(size * 2, batch)
        except DatabaseError:  # the database is busy, and its limits are short: less at once, for a while
            if size <= SMALLEST:
                raise
            size //= 2
        time.sleep(rest * (time.monotonic() - began) if last else 0)
    return True


def move_batch(*, after: UUID = _FIRST, size: int = BATCH) -> Moved:
    """The next rows after the id, in one transaction."""
    with signed_transaction(Context(acting_tenant())) as db:
        # Held: the key cannot be retired while something is wrapped to it.
        key = storage_key(ask_storage_key(db))
        found = db.ask(_TAKE.format(size=size), acting_tenant(), after, key.id).fetchall()
        pairs = [split(row, AdoptedSecret, Credential) for row in found]
        moved = Moved(last=pairs[-1][0].id if pairs else None)
        moved.aside = _move(db, pairs, key)
        moved.done = len(pairs) - moved.aside
        if moved.done:
            queue_record(db, EventKind.CREDENTIALS_REKEYED, **_event(key, moved)).confirm()
    return moved


def _move(db: Signed, pairs: Sequence[tuple[AdoptedSecret, Credential]], key: KeyRow) -> int:
    """How many were set aside."""
    to = WrappingKey(key.suite, ring().key(key.id, Purpose.STORAGE).wrapping.raw)
    change = reencrypted if key.mode == Mode.REENCRYPT.value else rewrapped
    good: list[AdoptedSecret] = []
    asides, from_ = 0, _UnwrappingKeys()
    for row, credential in pairs:
        trouble = _change(row, Whose.of(credential), change, from_, to)
        if trouble:
            asides += 1
            _set_aside(db, row, credential, trouble)
        else:
            good.append(row)
    if good and len(_write(db, good, key)) != len(good):
        # Locked by us and yet changed: nothing of ours does that.
        raise RuntimeError("Rows changed while they were being re-keyed.")
    return asides


class _UnwrappingKeys(dict[tuple[str, str], UnwrappingKey]):
    """Of one batch: each is looked up in the ring once."""

    def of(self, row: AdoptedSecret) -> UnwrappingKey:
        name = row.kek_id, row.suite
        if name not in self:
            self[name] = unwrapping_key(row)
        return self[name]


def _change(
    row: AdoptedSecret, whose: Whose, change: Callable[..., Any], from_: _UnwrappingKeys, to: WrappingKey
) -> str:
    """The row under the key, in memory; or why it cannot be moved. What the broker has not signed is not laundered."""
    if trouble := trouble_with(row, whose):
        return trouble
    try:
        sealed = change(sealed_of(row), key=from_.of(row), to=to, place=whose.place)
    except UNREADABLE as error:
        return "seal_broken" if isinstance(error, SealBroken) else "unknown_key"
    row.payload, row.wrapped_key, row.suite, row.kek_id = sealed.payload, sealed.wrapped_key, to.suite, to.id
    row.rev += 1
    if change is reencrypted:
        row.data_key_at = datetime.now(UTC)
    whose.signs(row)
    return ""


def _write(db: Signed, rows: list[AdoptedSecret], key: KeyRow) -> list[Any]:
    listed = [(row.id, row.rev - 1, row.payload, row.wrapped_key, row.signature, row.data_key_at) for row in rows]
    now = datetime.now(UTC)
    arrays = [list(column) for column in zip(*listed, strict=True)]
    return db.ask(_MOVE, key.suite, key.id, now, *arrays, acting_tenant()).fetchall()


def _set_aside(db: Signed, row: AdoptedSecret, credential: Credential, trouble: str) -> None:
    logger.error("alert: credential %s cannot be re-keyed and is set aside: %s", credential.id, trouble)
    marked = db.ask(_SET_ASIDE, trouble, acting_tenant(), row.id)
    body = {"alert": True, "kek": row.kek_id, "refused": trouble, "version": credential.version}
    event = queue_record(
        db, EventKind.CREDENTIAL_SET_ASIDE, actor=BROKER, subject=("credential", credential.id, ""),
        customer_id=credential.customer_id, result="failed", body=body,
    )  # fmt: skip
    event.confirm()
    marked.fetchall()


def _event(key: KeyRow, moved: Moved) -> dict[str, Any]:
    body = {"count": moved.done, "kek": key.id, "mode": key.mode, "reason": key.reason}
    if key.deadline:
        body["change_at_vendor_until"] = key.deadline.isoformat(timespec="seconds")
    return {
        "actor": BROKER,
        "subject": ("credential", None, ""),
        "customer_id": None,
        "result": "ok",
        "body": body,
    }
