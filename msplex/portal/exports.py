"""The log as a file: as it is narrowed, in pieces, however long it is.

Each piece is read in a transaction of its own and the connection goes back before it is sent: a slow reader holds
neither a transaction nor a connection, and who is no longer allowed to read gets no further piece.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from audit.actors import Actor
from audit.kinds import EventKind
from audit.models import Event
from audit.services import record
from audit.spreadsheets import cell
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal
from msplex.portal.event_words import words_of
from msplex.portal.selectors import names_of
from tenants.isolation.context import Context, acting_for, current

PIECE = 1000  # rows
COLUMNS = (
    "id", "occurred_at", "kind", "event", "result", "actor_kind", "actor_id", "actor", "on_behalf_of", "address",
    "customer_id", "customer", "subject_kind", "subject_id", "subject", "connection_id", "connection", "tool",
    "call_id", "request_id", "gate", "code", "rows_returned", "vendor_requests", "facts",
)  # fmt: skip
_OWN_COLUMNS = frozenset(
    {
        "actor_label",
        "address",
        "code",
        "gate",
        "on_behalf_of_label",
        "rows_returned",
        "subject_label",
        "vendor_requests",
    }
)


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES = {Format.CSV: "text/csv; charset=utf-8; header=present", Format.JSONL: "application/jsonl; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Export:
    """What is read, from before which event on, and by whom."""

    rows: QuerySet[Event]
    before: UUID
    context: Context
    principal: ActingPrincipal
    made_as: Format

    def pieces(self) -> Iterator[bytes]:
        last = self.before
        if self.made_as is Format.CSV:
            yield _csv([COLUMNS])
        while found := self._piece(last):
            last, piece = found
            yield piece

    def _piece(self, last: UUID) -> tuple[UUID, bytes] | None:
        try:
            with acting_for(self.context), transaction.atomic():
                self._check_still_allowed()
                rows = list(self.rows.filter(id__lt=last).order_by("-id")[:PIECE])
                written = (_as_csv if self.made_as is Format.CSV else _as_jsonl)(rows)
        finally:
            connection.close()
        return (rows[-1].pk, written) if rows else None

    def _check_still_allowed(self) -> None:
        """PrincipalRefused, or no more rows than the roles of now allow: then the file ends unfinished."""
        now = acting_principal(self.principal.id, epoch=self.principal.epoch)
        if not now.allows(Permission.AUDIT_EVENT_READ) or now.scope() != self.context.customers:
            raise PermissionError("The right to read the log was withdrawn.")


def begin_export(
    rows: QuerySet[Event], made_as: Format, *, narrowed: str, principal: ActingPrincipal, by: Actor
) -> StreamingHttpResponse:
    """On the record before the first piece. What happens from then on is not in it."""
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    told = {"format": made_as.value, "filter": narrowed[:1000]}
    event_id = record(EventKind.AUDIT_EXPORTED, actor=by, subject=("audit_log", None, "Audit log"), body=told)
    export = Export(rows, event_id, context, principal, made_as)
    response = StreamingHttpResponse(export.pieces(), content_type=MEDIA_TYPES[made_as])
    response["Content-Disposition"] = f'attachment; filename="audit.{made_as.value}"'
    response["Cache-Control"] = "no-store"
    return response


def _as_jsonl(rows: Sequence[Event]) -> bytes:
    """Header and body as the very texts that are proven: hashing them gives what the log says."""
    lines = (
        {"header": bytes(row.header).decode(), "body": bytes(row.body).decode() if row.body else None} for row in rows
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def _as_csv(rows: Sequence[Event]) -> bytes:
    names = names_of([key for row in rows for key in (row.customer_id, row.instance_id) if key])
    return _csv([_line(row, names) for row in rows])


def _csv(lines: Sequence[Sequence[Any]]) -> bytes:
    """RFC 4180."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([cell(value) for value in line] for line in lines)
    return written.getvalue().encode()


def _line(event: Event, names: dict[UUID, str]) -> list[Any]:
    facts = event.facts
    rest = {name: value for name, value in facts.items() if name not in _OWN_COLUMNS}
    return [
        event.pk, event.occurred_at.isoformat(timespec="microseconds"), event.kind, words_of(event.kind), event.result,
        event.actor_kind, event.actor_id, facts.get("actor_label"), facts.get("on_behalf_of_label"),
        facts.get("address"), event.customer_id, names.get(event.customer_id) if event.customer_id else None,
        event.subject_kind, event.subject_id, facts.get("subject_label"), event.instance_id,
        names.get(event.instance_id) if event.instance_id else None, event.tool, event.call_id, event.request_id,
        facts.get("gate"), facts.get("code"), facts.get("rows_returned"), facts.get("vendor_requests"),
        json.dumps(rest, sort_keys=True, ensure_ascii=False) if rest else None,
    ]  # fmt: skip
