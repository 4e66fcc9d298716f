"""The life of key-encryption keys: made, replaced by schedule or in an emergency, destroyed. In the broker.

One process at a time does it (a lock in the key ring's directory), and every step may be repeated: whoever is killed
leaves nothing that the next run does not mend.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from audit.kinds import EventKind
from audit.services import queue_record
from connectors.adoption import BROKER, adopt
from connectors.keyring import Purpose, ring
from connectors.models import AdoptedSecret, SealedSecret
from connectors.registry import (
    INTAKE_DESTROYED,
    INTAKE_ROTATES,
    KeyRow,
    Mode,
    Order,
    State,
    keys,
    make_key,
    mark_destroyed,
)
from connectors.rekeying import move_rows
from tenants.errors import Conflict
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction

logger = logging.getLogger(__name__)
LOCK, MAKING = "upkeep", "making"
SECONDS = 50.0  # a run; the next one comes every minute


def ensure_keys(now: datetime) -> None:
    """An active key of either kind, made or replaced when it is time."""
    with ring().locked(MAKING):
        for purpose in Purpose:
            active = next(iter(keys(purpose, State.ACTIVE)), None)
            if active is None or _is_due(active, now):
                make_key(purpose, now, _going_on(active))


def start_rekey(order: Order, now: datetime) -> KeyRow:
    """A new storage key. The rows follow in batches, from the next run of `keep_keys` on."""
    with ring().locked(MAKING):
        if not order.reason.strip():
            raise Conflict("Say why.", code="reason_required")
        return make_key(Purpose.STORAGE, now, _at_least(order, next(iter(keys(Purpose.STORAGE, State.ACTIVE)), None)))


def keep_keys(now: datetime, *, seconds: float = SECONDS) -> bool:
    """Everything that is due; False when another process is at it, or when there is more to do."""
    with ring().locked(LOCK, wait=False) as ours:
        if not ours:
            return False
        ensure_keys(now)
        until = time.monotonic() + seconds
        moved = not keys(Purpose.STORAGE, State.DECRYPT_ONLY) or all(_each_tenant_moved(until))
        destroy_unused(now)
        return moved


def destroy_unused(now: datetime) -> None:
    for row in keys(Purpose.INTAKE, State.DECRYPT_ONLY):
        if row.created_at + INTAKE_ROTATES + INTAKE_DESTROYED <= now:
            _adopt_what_is_left(row)
            _destroy(row, now)
    for row in keys(Purpose.STORAGE, State.DECRYPT_ONLY):
        if not any(_in_use(row)):
            _destroy(row, now)


def every_tenant() -> list[UUID]:
    """Suspended ones too. The broker alone may ask."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT border.every_tenant()")
        return [row[0] for row in cursor.fetchall()]


def progress() -> tuple[int, int, int]:
    """Of all tenants, by their rows: under the active key, still to be moved, unreadable."""
    active = next(iter(keys(Purpose.STORAGE, State.ACTIVE)), None)
    found = [_counted(tenant, active.id if active else "") for tenant in every_tenant()]
    done, left, unreadable = (sum(each) for each in zip(*found, strict=True)) if found else (0, 0, 0)
    return done, left, unreadable


def retry_unreadable() -> int:
    """After what was missing is back, such as a key of the ring: how many are taken up again."""
    number = 0
    for tenant in every_tenant():
        with _each(tenant):
            number += AdoptedSecret.objects.exclude(unreadable="").update(unreadable="")
    return number


def _counted(tenant: UUID, active: str) -> tuple[int, int, int]:
    with _each(tenant):
        rows = AdoptedSecret.objects.filter(unreadable="")
        done = rows.filter(kek_id=active).count()
        return done, rows.count() - done, AdoptedSecret.objects.exclude(unreadable="").count()


@contextmanager
def _each(tenant: UUID) -> Iterator[None]:
    with acting_for(Context(tenant)), transaction.atomic():
        yield


def _is_due(row: KeyRow, now: datetime) -> bool:
    if row.purpose == Purpose.INTAKE.value:
        return row.created_at + INTAKE_ROTATES <= now
    return row.not_after <= now


def _going_on(active: KeyRow | None) -> Order:
    return _at_least(Order(), active)


def _at_least(order: Order, active: KeyRow | None) -> Order:
    """What an unfinished order asks for is not forgotten because another key comes after it."""
    unfinished = active and active.mode == Mode.REENCRYPT.value and keys(Purpose.STORAGE, State.DECRYPT_ONLY)
    if not active or not unfinished:
        return order
    return Order(Mode.REENCRYPT, order.reason, order.asked_by, order.deadline or active.deadline)


def _each_tenant_moved(until: float) -> Iterator[bool]:
    for tenant in every_tenant():
        with acting_for(Context(tenant)):
            yield move_rows(until=until)


def _in_use(row: KeyRow) -> Iterator[bool]:
    for tenant in every_tenant():
        with _each(tenant):
            yield AdoptedSecret.objects.filter(kek_id=row.id).exists()


def _adopt_what_is_left(row: KeyRow) -> None:
    """Of what was sealed to it and never used. What cannot be adopted now never can be."""
    for tenant in every_tenant():
        with _each(tenant):
            sealed = SealedSecret.objects.filter(kek_id=row.id).select_related("credential__instance")
            left = {(each.credential.instance, each.credential.customer_id) for each in sealed}
        for instance, customer in left:
            with acting_for(Context(tenant)):
                if trouble := adopt(instance, customer):
                    logger.error("alert: a credential of instance %s was not adopted in time: %s", instance.id, trouble)


def _destroy(row: KeyRow, now: datetime) -> None:
    """The private half first; the row says so when it is gone. Who was killed in between does it again."""
    ring().destroy(row.id)
    for tenant in every_tenant():
        with _each(tenant):
            concerned = AdoptedSecret.objects.all()
            if row.purpose == Purpose.INTAKE.value:
                concerned = concerned.filter(intake_kek_id=row.id)
            told = concerned.exists()
        if told:
            _tell(tenant, row)
    mark_destroyed(row, now)


def _tell(tenant: UUID, row: KeyRow) -> None:
    with acting_for(Context(tenant)), signed_transaction() as db:
        queue_record(
            db, EventKind.CREDENTIAL_KEY_DESTROYED, actor=BROKER, subject=("credential", None, ""), customer_id=None,
            result="ok", body={"kek": row.id, "purpose": row.purpose},
        ).confirm()  # fmt: skip
