"""Making a file, in the worker. Each piece is kept in one transaction with how far it is, so that whoever is killed is
followed by somebody who goes on behind the last one; memory holds one piece, however long the file is.

What the rows say of the ledgers has to be true of all of them: the digests are made again at the end, and if a call
that was recorded before the file was ordered became visible only meanwhile, it is made anew.
"""

import contextlib
import hashlib
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from billing.exports import Export, Format, What, calls, calls_of, ledger_digests, ledger_of, rows, written
from billing.files.models import KEPT, ExportFile, ExportPiece
from billing.files.services import piece
from tenants.ids import uuid7

logger = logging.getLogger(__name__)
MAKER = system("maker of exports")
ROWS = 5000  # of a piece
LEASE = timedelta(minutes=5)  # longer than any one step
SLICE_SECONDS = 60.0  # then others have their turn
MOST_TRIES = 10
State = ExportFile.State


class Lost(Exception):
    """Somebody else has the lease: what was made here is not kept."""


def make(file_id: UUID, *, again: bool = False) -> bool:
    """Go on with a file of the acting tenant; True when there is more to do, and nobody holds it.

    `again`: the message came a second time, so whoever held the file is gone.
    """
    file = _taken(file_id, again=again)
    if file is None:
        return False
    try:
        return _made(file)
    except Lost:
        return False
    except Exception as error:
        _give_back(file, f"{type(error).__name__}: see the worker's log.")
        raise


@transaction.atomic
def _taken(file_id: UUID, *, again: bool) -> ExportFile | None:
    free = Q() if again else Q(leased_until=None) | Q(leased_until__lt=datetime.now(UTC))
    file = ExportFile.objects.select_for_update(skip_locked=True).filter(free, id=file_id).first()
    if file is None or not file.is_open:
        return None
    if file.tries >= MOST_TRIES:
        _give_up(file, file.problem or "Whoever made it was killed, each time.")
        return None
    _keep(file, holder=uuid7(), tries=file.tries + 1, leased_until=datetime.now(UTC) + LEASE)
    return file


def _keep(file: ExportFile, **values: Any) -> None:
    for name, value in values.items():
        setattr(file, name, value)
    file.save(update_fields=list(values))


def _held(file: ExportFile) -> None:
    """In the transaction of a step, before it: nobody else keeps one at the same time."""
    if not ExportFile.objects.select_for_update().filter(id=file.pk, holder=file.holder).exists():
        raise Lost


def _made(file: ExportFile) -> bool:
    ends_at = time.monotonic() + SLICE_SECONDS
    if file.state == State.QUEUED:
        _begin(file)
    while not file.is_whole:
        if time.monotonic() > ends_at:
            _release(file)
            return True
        _next_piece(file) if file.what == What.CALLS else _whole(file)
    return not _finished(file)


@transaction.atomic
def _release(file: ExportFile) -> None:
    _held(file)
    _keep(file, leased_until=None)


def _export(file: ExportFile) -> Export:
    digests = {UUID(customer): digest for customer, digest in file.digests.items()}
    return Export(What(file.what), file.month, file.created_at, digests)


def _begin(file: ExportFile) -> None:
    """What is to be done, and what its rows say; pieces of a try before are gone."""
    with transaction.atomic():
        _held(file)
        digests = {} if file.what == What.INVOICE else ledger_digests(file.month, until=file.created_at)
        total = calls_of(_export(file)).count() if file.what == What.CALLS else 0
        ExportPiece.objects.filter(file_id=file.pk).delete()
        _keep(
            file, state=State.MAKING, digests={str(customer): digest for customer, digest in digests.items()},
            ledger=ledger_of(digests), total=total, done=0, pieces=0, after=None, problem="",
            leased_until=datetime.now(UTC) + LEASE,
        )  # fmt: skip


def _whole(file: ExportFile) -> None:
    """Of what is no ledger, and so no longer than there are customers and meters."""
    export = _export(file)
    with transaction.atomic():
        _held(file)
        lines = list(rows(export))
        content = written(export, Format(file.format), lines, first=True, last=True)
        ExportPiece.objects.create(file=file, position=0, content=content)
        _keep(file, pieces=1, total=len(lines), done=len(lines), tries=0, leased_until=datetime.now(UTC) + LEASE)


def _next_piece(file: ExportFile) -> None:
    export = _export(file)
    with transaction.atomic():
        _held(file)
        after, lines = calls(export, file.after, dict(export.ledgers), ROWS)
        content = written(export, Format(file.format), lines, first=not file.pieces, last=after is None)
        ExportPiece.objects.create(file=file, position=file.pieces, content=content)
        _keep(
            file, after=after, done=file.done + len(lines), pieces=file.pieces + 1, tries=0,
            leased_until=datetime.now(UTC) + LEASE,
        )  # fmt: skip


def _finished(file: ExportFile) -> bool:
    """False when it has to be made anew."""
    size, sha256 = 0, hashlib.sha256()
    for position in range(file.pieces):
        with transaction.atomic():
            content = piece(file.pk, position)
        size += len(content)
        sha256.update(content)
    with transaction.atomic():
        _held(file)
        ledger = file.ledger and ledger_of(ledger_digests(file.month, until=file.created_at))
        if file.what == What.CALLS and ledger != file.ledger:
            logger.info("export %s: a call became visible late; it is made anew", file.pk)
            _keep(file, state=State.QUEUED, leased_until=None)
            return False
        _keep(
            file, state=State.READY, ready_at=datetime.now(UTC), size=size, sha256=sha256.hexdigest(),
            leased_until=None, problem="",
        )  # fmt: skip
        _say(EventKind.EXPORT_FINISHED, file, body={"ledger": file.ledger, "rows": file.done, "sha256": file.sha256})
    return True


@transaction.atomic
def _give_back(file: ExportFile, problem: str) -> None:
    """Tried again by the next sweep; after many tries a person has to look."""
    with contextlib.suppress(Lost):
        _held(file)
        logger.warning("export %s waits: %s", file.pk, problem)
        _keep(file, problem=problem[:300], leased_until=None)


def _give_up(file: ExportFile, problem: str) -> None:
    _keep(file, problem=problem, leased_until=None, state=State.FAILED)
    _say(EventKind.EXPORT_FAILED, file, result="failed", body={"alert": True, "problem": problem})


def _say(kind: EventKind, file: ExportFile, *, result: str = "ok", body: dict[str, Any]) -> None:
    record(kind, actor=MAKER, subject=("export_file", file.pk, str(file)), result=result, body=body)


def unfinished(now: datetime) -> list[UUID]:
    """Files of the acting tenant that nobody works on: their message was lost, or they are to be tried again."""
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    with transaction.atomic():
        open_files = ExportFile.objects.filter(free).exclude(state__in=(State.READY, State.FAILED))
        return list(open_files.values_list("id", flat=True))


@transaction.atomic
def forget_files(now: datetime) -> int:
    """Of the acting tenant: what was ready, or failed, a week ago. How many files went. The log keeps who took them."""
    gone = ExportFile.objects.filter(
        Q(state=State.READY, ready_at__lt=now - KEPT) | Q(state=State.FAILED, created_at__lt=now - KEPT)
    ).values_list("id", flat=True)
    found = list(gone)
    ExportPiece.objects.filter(file_id__in=found).delete()
    ExportFile.objects.filter(id__in=found).delete()
    return len(found)
