"""Billing's files on their way out: small ones at once, the calls ledger in pieces, however long it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from billing.exports import MEDIA_TYPES, Export, Format, What, calls, ledger_digests, ledger_of, rows
from billing.rows import Row, as_csv, as_json
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal
from tenants.isolation.context import Context, acting_for, current

PIECE = 1000  # rows


@dataclass(frozen=True, slots=True)
class Pieces:
    """Each is read in a transaction of its own; who is no longer allowed to read gets no further one."""

    export: Export
    made_as: Format
    context: Context
    principal: ActingPrincipal
    digests: dict[UUID, str]

    def __iter__(self) -> Iterator[bytes]:
        if self.made_as is Format.CSV:
            yield as_csv([self.export.columns])
        first, after = True, None
        while first or after:
            after, lines = self._piece(after)
            yield _written(self.export, self.made_as, lines, first=first)
            first = False
        if self.made_as is Format.JSON:
            yield b"\n]\n"

    def _piece(self, after: UUID | None) -> tuple[UUID | None, list[Row]]:
        try:
            with acting_for(self.context), transaction.atomic():
                now = acting_principal(self.principal.id, epoch=self.principal.epoch)
                if not now.allows_everywhere(Permission.BILLING_ACCOUNT_READ):
                    raise PermissionError("The right to read usage was withdrawn.")
                return calls(self.export, after, self.digests, PIECE)
        finally:
            connection.close()


def _written(export: Export, made_as: Format, lines: list[Row], *, first: bool) -> bytes:
    if made_as is Format.CSV:
        return as_csv(lines)
    objects = as_json(export.columns, lines)
    begun = "[\n" if first else (",\n" if objects else "")
    return (begun + ",\n".join(objects)).encode()


def give_out(what: What, month: date, made_as: Format, *, principal: ActingPrincipal, by: Actor) -> HttpResponseBase:
    """On the record before the first row."""
    digests = {} if what is What.INVOICE else ledger_digests(month)
    export, context = Export(what, month, timezone.now(), digests), current()
    if context is None:
        raise LookupError("no tenant context")
    told = {"format": made_as.value, "ledger": ledger_of(digests), "month": f"{month:%Y-%m}", "what": what.value}
    record(EventKind.USAGE_EXPORTED, actor=by, subject=("usage_export", None, export.name), body=told)
    response: HttpResponseBase
    if what is What.CALLS:
        pieces = Pieces(export, made_as, context, principal, digests)
        response = StreamingHttpResponse(iter(pieces), content_type=MEDIA_TYPES[made_as])
    else:
        lines = list(rows(export))
        head = as_csv([export.columns]) if made_as is Format.CSV else b""
        tail = b"" if made_as is Format.CSV else b"\n]\n"
        response = HttpResponse(head + _written(export, made_as, lines, first=True) + tail, MEDIA_TYPES[made_as])
    response["Content-Disposition"] = f'attachment; filename="{export.name}.{made_as}"'
    response["Cache-Control"] = "no-store"
    return response
