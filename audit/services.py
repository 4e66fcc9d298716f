"""One way to write an event. It is in the transaction of what it records, or nothing is."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from audit.actors import Actor, CallRef
from audit.alerts import Rule
from audit.canonical import canonical
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.raising import OPENED, RAISING, rule_of, tell, values_before
from audit.streams import Mark, mark
from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, one

BODY_LABEL = b"msplex/body/v1\0"
SALT_BYTES = 16
Subject = tuple[str, UUID | None, str]
NOTHING: Subject = ("", None, "")
NO_CALL = CallRef(None, None)

_INSERT = (
    "INSERT INTO audit_event (tenant_id, id, occurred_at, kind, result, actor_kind, actor_id, customer_id,"
    " subject_kind, subject_id, request_id, call_id, instance_id, tool, header, body, writer, boot, n, mac)"
    " VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
)
_PLAIN = _INSERT + " RETURNING false"
_RAISING = RAISING + _INSERT + OPENED
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
    call: CallRef | None = None,
) -> UUID:
    """Write one event of the acting tenant in the open transaction; its id.

    Raises AuditUnavailable within two seconds if it cannot be written. `body` must have a canonical form.
    """
    event = _Event(
        kind=kind, actor=actor, subject=subject or NOTHING, customer_id=customer_id, result=result, told=body or {},
        call=call,
    )  # fmt: skip
    ours, used = mark(event.header, [each[1] for each in connection.run_on_commit])
    rule = rule_of(event)
    opened = _insert(*_statement(event, ours, rule))
    transaction.on_commit(used)
    if rule and opened:
        transaction.on_commit(partial(tell, rule), robust=True)
    return event.id


@dataclass(frozen=True, slots=True)
class Queued:
    """An event on its way, in a transaction of constant statements."""

    id: UUID
    at: datetime
    cursor: Any
    opened: Callable[[], None] | None = None  # to be called if this is what opens an alert

    def confirm(self) -> None:
        """Before the commit: AuditUnavailable unless exactly this one row went in."""
        try:
            written = one(self.cursor)
        except DatabaseError as error:
            raise AuditUnavailable from error
        if written is None:
            raise AuditUnavailable
        if self.opened and written[0]:
            self.opened()


def queue_record(
    db: Signed,
    kind: EventKind,
    *,
    actor: Actor,
    subject: Subject,
    customer_id: UUID | None,
    result: str,
    body: dict[str, Any],
    call: CallRef | None = None,
) -> Queued:
    """`record` in a signed transaction of constant statements, whose own limits bound it. Confirm it before the end."""
    event = _Event(
        kind=kind, actor=actor, subject=subject, customer_id=customer_id, result=result, told=body, call=call
    )
    ours, used = mark(event.header, db.on_commit)
    rule = rule_of(event)
    statement, values = _statement(event, ours, rule)
    cursor = db.ask(statement, *values)
    db.on_commit.append(used)
    return Queued(event.id, event.at, cursor, partial(db.on_commit.append, partial(tell, rule)) if rule else None)


@dataclass(kw_only=True)
class _Event:
    """What is recorded, with its header and body as they are written."""

    kind: EventKind
    actor: Actor
    subject: Subject
    customer_id: UUID | None
    result: str
    told: dict[str, Any]
    call: CallRef | None
    id: UUID = field(default_factory=uuid7)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    body: bytes = b""
    header: bytes = b""

    def __post_init__(self) -> None:
        self.body = canonical(self._body())
        self.header = canonical(self._header())

    def row(self, ours: Mark) -> list[Any]:
        actor, call = self.actor, self.call or NO_CALL
        return [
            acting_tenant(), self.id, self.at, self.kind.value, self.result, actor.kind.value, actor.id,
            self.customer_id, self.subject[0], self.subject[1], actor.request_id, call.id, call.instance_id,
            call.tool, self.header, self.body, ours.writer, ours.boot, ours.n, ours.mac,
        ]  # fmt: skip

    def _body(self) -> dict[str, Any]:
        """Everything with a name or an address in it."""
        second = self.actor.on_behalf_of
        return {
            "actor_label": self.actor.label,
            "address": self.actor.address,
            "salt": secrets.token_hex(SALT_BYTES),
            "subject_label": self.subject[2],
            **({"on_behalf_of_label": second.label} if second and second.label else {}),
            **self.told,
        }

    def _header(self) -> dict[str, Any]:
        subject_kind, subject_id, _ = self.subject
        header = {
            "actor": actor_fields(self.actor),
            "body_commit": hashlib.sha256(BODY_LABEL + self.body).hexdigest(),
            "customer": _text(self.customer_id),
            "id": str(self.id),
            "kind": self.kind.value,
            "occurred_at": self.at.isoformat(timespec="microseconds"),
            "request_id": self.actor.request_id,
            "result": self.result,
            "subject": {"id": _text(subject_id), "kind": subject_kind},
            "tenant": str(acting_tenant()),
            "v": 1,
        }
        return header | ({"call": _call(self.call)} if self.call else {})


def actor_fields(actor: Actor) -> dict[str, Any]:
    """As a header has them."""
    fields: dict[str, Any] = {"id": _text(actor.id), "kind": actor.kind.value}
    return fields | {"on_behalf_of": actor_fields(actor.on_behalf_of)} if actor.on_behalf_of else fields


def _call(call: CallRef) -> dict[str, Any]:
    return {"id": _text(call.id), "instance": _text(call.instance_id), "tool": call.tool}


def _text(id_: UUID | None) -> str | None:
    return str(id_) if id_ else None


def _statement(event: _Event, ours: Mark, rule: Rule | None) -> tuple[str, list[Any]]:
    """One that says whether it opened an alert."""
    if rule is None:
        return _PLAIN, event.row(ours)
    return _RAISING, [*values_before(event, rule), *event.row(ours)]


def _insert(statement: str, values: list[Any]) -> bool:
    """Bounded in time, and sure that exactly one row went in: a trigger could swallow it without an error."""
    try:
        with connection.cursor() as cursor:
            limits = None if settings.DATABASE_BOUNDED else _bound(cursor)
            cursor.execute(statement, values)
            written = cursor.fetchone()
            if written is None:
                raise AuditUnavailable
            if limits:
                cursor.execute(_UNBOUND, limits)
            return bool(written[0])
    except DatabaseError as error:
        raise AuditUnavailable from error


def _bound(cursor: Any) -> tuple[str, str]:
    cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    limits: tuple[str, str] = cursor.fetchone()
    cursor.execute(_BOUND)
    return limits
