"""One way to write an event. It is in the transaction of what it records, or nothing is."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection

from audit.actors import Actor
from audit.canonical import canonical
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, one

BODY_LABEL = b"msplex/body/v1\0"
SALT_BYTES = 16
Subject = tuple[str, UUID | None, str]

_INSERT = (
    "INSERT INTO audit_event (tenant_id, id, occurred_at, kind, result, actor_kind, actor_id, customer_id,"
    " subject_kind, subject_id, request_id, header, body) VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
)
_INSERT_RETURNING = _INSERT + " RETURNING true"
_BOUND = "SELECT set_config('lock_timeout', '500', true), set_config('statement_timeout', '1200', true)"
_UNBOUND = "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"


def record(
    kind: EventKind,
    *,
    actor: Actor,
    subject: Subject | None = None,
    customer_id: UUID | None = None,
    result: str = "ok",
    body: dict[str, Any] | None = None,
) -> UUID:
    """Write one event of the acting tenant in the open transaction; its id.

    Raises AuditUnavailable within two seconds if it cannot be written. `body` must have a canonical form.
    """
    event_id, values = _composed(
        kind, actor=actor, subject=subject, customer_id=customer_id, result=result, body=body or {}
    )
    _insert(values)
    return event_id


@dataclass(frozen=True, slots=True)
class Queued:
    """An event on its way, in a transaction of constant statements."""

    id: UUID
    cursor: Any

    def confirm(self) -> None:
        """Before the commit: AuditUnavailable unless exactly this one row went in."""
        try:
            written = one(self.cursor)
        except DatabaseError as error:
            raise AuditUnavailable from error
        if written is None:
            raise AuditUnavailable


def queue_record(
    db: Signed,
    kind: EventKind,
    *,
    actor: Actor,
    subject: Subject,
    customer_id: UUID | None,
    result: str,
    body: dict[str, Any],
) -> Queued:
    """`record` in a signed transaction of constant statements, whose own limits bound it. Confirm it before the end."""
    event_id, values = _composed(kind, actor=actor, subject=subject, customer_id=customer_id, result=result, body=body)
    return Queued(event_id, db.ask(_INSERT_RETURNING, *values))


def _composed(
    kind: EventKind,
    *,
    actor: Actor,
    subject: Subject | None,
    customer_id: UUID | None,
    result: str,
    body: dict[str, Any],
) -> tuple[UUID, list[Any]]:
    event_id, now = uuid7(), datetime.now(UTC)
    subject_kind, subject_id, subject_label = subject or ("", None, "")
    full_body = {
        "actor_label": actor.label,
        "address": actor.address,
        "salt": secrets.token_hex(SALT_BYTES),
        "subject_label": subject_label,
        **body,
    }
    body_bytes = canonical(full_body)
    header = {
        "actor": {"id": actor.id and str(actor.id), "kind": actor.kind.value},
        "body_commit": hashlib.sha256(BODY_LABEL + body_bytes).hexdigest(),
        "customer": customer_id and str(customer_id),
        "id": str(event_id),
        "kind": kind.value,
        "occurred_at": now.isoformat(timespec="microseconds"),
        "request_id": actor.request_id,
        "result": result,
        "subject": {"id": subject_id and str(subject_id), "kind": subject_kind},
        "tenant": str(acting_tenant()),
        "v": 1,
    }
    return event_id, [
        acting_tenant(), event_id, now, kind.value, result, actor.kind.value, actor.id, customer_id,
        subject_kind, subject_id, actor.request_id, canonical(header), body_bytes,
    ]  # fmt: skip


def _insert(values: list[Any]) -> None:
    """Bounded in time, and sure that exactly one row went in: a trigger could swallow it without an error."""
    try:
        with connection.cursor() as cursor:
            limits = None if settings.DATABASE_BOUNDED else _bound(cursor)
            cursor.execute(_INSERT, values)
            if cursor.rowcount != 1:
                raise AuditUnavailable
            if limits:
                cursor.execute(_UNBOUND, limits)
    except DatabaseError as error:
        raise AuditUnavailable from error


def _bound(cursor: Any) -> tuple[str, str]:
    cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    limits: tuple[str, str] = cursor.fetchone()
    cursor.execute(_BOUND)
    return limits
