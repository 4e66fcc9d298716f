"""What people and programs do with files that are made for them."""

from datetime import date
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from billing.exports import Format, What
from billing.files.models import ExportFile, ExportPiece
from billing.models import UsageEvent
from billing.months import ends, starts
from billing.tasks import make_file
from tenants.errors import Conflict

LONG = 50_000  # rows; a file with more is made in the background
MOST_OPEN = 5


def is_long(what: What, month: date) -> bool:
    """Only the calls ledger can be: all else has a row for each customer and meter. Counts no further than it needs."""
    if what is not What.CALLS:
        return False
    of_month = UsageEvent.objects.filter(occurred_at__gte=starts(month), occurred_at__lt=ends(month))
    return bool(of_month.order_by().values_list("id")[LONG : LONG + 1])


def export_files() -> QuerySet[ExportFile]:
    """The newest first; without what only the worker needs."""
    return ExportFile.objects.defer("digests").order_by("-id")


def _open() -> QuerySet[ExportFile]:
    return ExportFile.objects.exclude(state__in=(ExportFile.State.READY, ExportFile.State.FAILED))


def open_files() -> int:
    """How many are being made."""
    return _open().count()


@transaction.atomic
def order_file(what: What, month: date, made_as: Format, *, by: Actor) -> ExportFile:
    """Made from now on, in the worker. Whoever asks for the same one while it is being made, gets that one."""
    terms = {"what": what.value, "month": month, "format": made_as.value}
    made, new = _open().get_or_create(**terms, defaults={"ordered_by": by.label[:200]})
    if not new:
        return made
    if open_files() > MOST_OPEN:
        raise Conflict(f"There are {MOST_OPEN} files being made. Wait for one of them.", code="too_many_files")
    told = {"format": made.format, "month": f"{month:%Y-%m}", "what": made.what}
    record(EventKind.EXPORT_ORDERED, actor=by, subject=("export_file", made.pk, str(made)), body=told)
    make_file.delay_on_commit(file_id=str(made.pk))
    return made


@transaction.atomic
def take_file(found: ExportFile, *, by: Actor) -> None:
    """On the record, before its first byte. Conflict for one that is not ready."""
    if found.state != ExportFile.State.READY:
        raise Conflict("This file is still being made. Its row says how far it is.", code="export_not_ready")
    told = {"format": found.format, "ledger": found.ledger, "month": f"{found.month:%Y-%m}", "sha256": found.sha256}
    about = ("usage_export", found.pk, str(found))
    record(EventKind.USAGE_EXPORTED, actor=by, subject=about, body=told | {"what": found.what})


def piece(file_id: UUID, position: int) -> bytes:
    """LookupError when the file went meanwhile: that ends a download."""
    content = ExportPiece.objects.filter(file_id=file_id, position=position).values_list("content", flat=True).first()
    if content is None:
        raise LookupError("The file is not kept any more.")
    return bytes(content)
