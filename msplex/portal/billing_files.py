"""Billing's files on their way out: small ones at once, what is long in pieces, each after a look at who takes it."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from billing.exports import MEDIA_TYPES, Export, Format, What, calls, ledger_digests, ledger_of, rows, written
from billing.files.models import ExportFile
from billing.files.services import piece, take_file
from billing.rows import Row
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal
from tenants.isolation.context import Context, acting_for, current

PIECE = 1000  # rows
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who takes a file. Each piece is read in a transaction of its own, and none when the right was withdrawn."""

    context: Context
    principal: ActingPrincipal

    def read(self, what: Callable[[], T]) -> T:
        try:
            with acting_for(self.context), transaction.atomic():
                now = acting_principal(self.principal.id, epoch=self.principal.epoch)
                if not now.allows_everywhere(Permission.BILLING_ACCOUNT_READ):
                    raise PermissionError("The right to read usage was withdrawn.")
                return what()
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Pieces:
    """The calls ledger, as it is read."""

    export: Export
    made_as: Format
    reader: Reader
    digests: dict[UUID, str]

    def __iter__(self) -> Iterator[bytes]:
        first, after = True, None
        while first or after:
            after, lines = self._piece(after)
            yield written(self.export, self.made_as, lines, first=first, last=after is None)
            first = False

    def _piece(self, after: UUID | None) -> tuple[UUID | None, list[Row]]:
        return self.reader.read(lambda: calls(self.export, after, self.digests, PIECE))


def _reader(principal: ActingPrincipal) -> Reader:
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    return Reader(context, principal)


def give_out(what: What, month: date, made_as: Format, *, principal: ActingPrincipal, by: Actor) -> HttpResponseBase:
    """On the record before the first row."""
    made_at = timezone.now()
    digests = {} if what is What.INVOICE else ledger_digests(month, until=made_at)
    export, reader = Export(what, month, made_at, digests), _reader(principal)
    told = {"format": made_as.value, "ledger": ledger_of(digests), "month": f"{month:%Y-%m}", "what": what.value}
    record(EventKind.USAGE_EXPORTED, actor=by, subject=("usage_export", None, export.name), body=told)
    response: HttpResponseBase
    if what is What.CALLS:
        response = StreamingHttpResponse(iter(Pieces(export, made_as, reader, digests)))
    else:
        response = HttpResponse(written(export, made_as, list(rows(export)), first=True, last=True))
    return _named(response, f"{export.name}.{made_as}", made_as)


def give_out_made(file: ExportFile, *, principal: ActingPrincipal, by: Actor) -> HttpResponseBase:
    """A file that was made in the background, with its digest (RFC 9530)."""
    take_file(file, by=by)
    reader = _reader(principal)
    content = (reader.read(partial(piece, file.pk, position)) for position in range(file.pieces))
    response = _named(StreamingHttpResponse(content), str(file), Format(file.format))
    response["Content-Length"] = str(file.size)
    response["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:"
    return response


def _named(response: HttpResponseBase, name: str, made_as: Format) -> HttpResponseBase:
    response["Content-Type"] = MEDIA_TYPES[made_as]
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
