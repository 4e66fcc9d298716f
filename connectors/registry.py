"""The registry of key-encryption keys: one table for the installation, without anything of a tenant.

Every row is signed by the broker's identity, in every state it is in: what somebody else writes there, or puts back,
is not believed. Private halves are in the broker's key ring (connectors.keyring).
"""

import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from connectors.keyring import Purpose, ring
from connectors.signing import is_signed, sign
from connectors.suites import BY_SHORT, KeyUnusable, UnwrappingKey, WrappingKey, key_id
from tenants.errors import Unavailable
from tenants.isolation.statements import Signed

logger = logging.getLogger(__name__)
INTAKE_ROTATES = timedelta(hours=24)
INTAKE_SEALS = timedelta(hours=48)  # the portal seals to no older one, so that an old row put back is of no use
INTAKE_DESTROYED = timedelta(hours=48)  # after the next one took over, which is INTAKE_ROTATES after it was made


class State(StrEnum):
    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt_only"
    DESTROYED = "destroyed"


class Mode(StrEnum):
    """What is done to the rows that are moved to a storage key."""

    REWRAP = "rewrap"  # the same data keys under the new key
    REENCRYPT = "reencrypt"  # new data keys as well


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """Why a storage key was made. With a `deadline` it is an emergency: until then credentials change at vendors."""

    mode: Mode = Mode.REWRAP
    reason: str = "schedule"
    asked_by: str = "schedule"
    deadline: datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class KeyRow:
    """`public` is empty for storage keys: only what seals needs one, and only the broker wraps to those.

    `not_after`: no longer sealed to (intake), or due to be replaced (storage).
    """

    id: str
    purpose: str
    suite: str
    public: bytes
    state: str
    created_at: datetime
    not_after: datetime
    destroyed_at: datetime | None
    mode: str
    reason: str
    asked_by: str
    deadline: datetime | None
    signature: bytes = b""

    @classmethod
    def of(cls, values: Sequence[Any]) -> "KeyRow":
        plain: list[Any] = [bytes(value) if isinstance(value, memoryview) else value for value in values]
        return cls(*plain)

    def signed(self) -> "KeyRow":
        return dataclasses.replace(self, signature=sign("kek", *self._parts()))

    @property
    def is_ours(self) -> bool:
        named = not self.public or self._names_its_key()
        return named and is_signed(self.signature, "kek", *self._parts())

    def _names_its_key(self) -> bool:
        try:
            return key_id(self.suite, self.public) == self.id
        except KeyUnusable:
            return False

    def _parts(self) -> list[bytes]:
        return [_bytes(getattr(self, column)) for column in COLUMNS[:-1]]


COLUMNS = tuple(field.name for field in dataclasses.fields(KeyRow))
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM border.kek"  # noqa: S608
_INSERT = f"INSERT INTO border.kek ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608
_CHANGE = "UPDATE border.kek SET state = %s, destroyed_at = %s, signature = %s WHERE id = %s"
# Held until the transaction ends: whoever retires the key waits for what is being wrapped to it.
_ACTIVE_STORAGE = f"{_SELECT} WHERE purpose = 'storage' AND state = 'active' ORDER BY created_at DESC FOR SHARE"


def keys(purpose: Purpose, *states: State) -> list[KeyRow]:
    """Those that the broker has signed, newest first. Others are reported, and not there."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"{_SELECT} WHERE purpose = %s AND state = ANY(%s) ORDER BY created_at DESC",
            [purpose.value, [state.value for state in states or State]],
        )
        found = [KeyRow.of(row) for row in cursor.fetchall()]
    return _believed(found)


def intake_key(now: datetime) -> WrappingKey:
    """What the portal seals to. Unavailable if the broker has published none that is still good."""
    for row in keys(Purpose.INTAKE, State.ACTIVE):
        if row.not_after > now:
            return WrappingKey(row.suite, row.public)
    message = "Credentials cannot be sealed now: the broker has published no key for it. Start the broker."
    raise Unavailable(message, permanent=True, code="no_intake_key")


def ask_storage_key(db: Signed) -> Any:
    """In the transaction that writes what is wrapped to it; read with `storage_key`."""
    return db.ask(_ACTIVE_STORAGE)


def storage_key(asked: Any) -> KeyRow:
    for row in _believed([KeyRow.of(values) for values in asked.fetchall()]):
        return row
    message = "There is no storage key that the broker has signed."
    raise Unavailable(message, permanent=True, code="no_storage_key")


def make_key(purpose: Purpose, now: datetime, order: Order | None = None) -> KeyRow:
    """A new active key; the one before opens and no longer seals. In the broker, under the ring's lock."""
    spec = BY_SHORT[settings.SEALING_SUITE]
    raw = spec.generate()
    key = UnwrappingKey(spec.id, raw)
    ring().add(key, raw, purpose)  # first: a row without its private half would take secrets that nobody can open
    row = _new_row(key, purpose, now, order or Order()).signed()
    with transaction.atomic(), connection.cursor() as cursor:
        for old in _rows(cursor, purpose, State.ACTIVE):
            _write(cursor, dataclasses.replace(old, state=State.DECRYPT_ONLY.value))
        cursor.execute(_INSERT, [getattr(row, column) for column in COLUMNS])
    logger.info("%s key %s is in use", purpose.value, row.id)
    return row


def mark_destroyed(row: KeyRow, now: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        _write(cursor, dataclasses.replace(row, state=State.DESTROYED.value, destroyed_at=now))
    logger.info("%s key %s is destroyed", row.purpose, row.id)


def _new_row(key: UnwrappingKey, purpose: Purpose, now: datetime, order: Order) -> KeyRow:
    intake = purpose is Purpose.INTAKE
    return KeyRow(
        id=key.id,
        purpose=purpose.value,
        suite=key.suite,
        public=key.wrapping.raw if intake else b"",
        state=State.ACTIVE.value,
        created_at=now,
        not_after=now + (INTAKE_SEALS if intake else timedelta(days=settings.STORAGE_KEY_DAYS)),
        destroyed_at=None,
        mode="" if intake else order.mode.value,
        reason=order.reason,
        asked_by=order.asked_by,
        deadline=order.deadline,
    )


def _rows(cursor: Any, purpose: Purpose, state: State) -> list[KeyRow]:
    cursor.execute(f"{_SELECT} WHERE purpose = %s AND state = %s FOR UPDATE", [purpose.value, state.value])
    return [KeyRow.of(row) for row in cursor.fetchall()]


def _write(cursor: Any, row: KeyRow) -> None:
    signed = row.signed()
    cursor.execute(_CHANGE, [signed.state, signed.destroyed_at, signed.signature, signed.id])


def _believed(rows: list[KeyRow]) -> list[KeyRow]:
    for row in rows:
        if not row.is_ours:
            logger.error("alert: the registry of keys has a row that the broker has not signed")
    return [row for row in rows if row.is_ours]


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").encode()
    return str(value or "").encode()
