"""How sessions end, one and many. Each keeps why, and who did it; none is deleted."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from identity.models import Session


def end_sessions(rows: QuerySet[Session], reason: Session.End, *, by: str = "") -> int:
    """How many of them were still open. `by` is a label; empty when nobody did it."""
    return rows.filter(ended_at=None).update(ended_at=timezone.now(), end_reason=reason, ended_by=by)


def end_other_sessions(principal_id: UUID, reason: Session.End, *, by: str, keep: UUID | None) -> int:
    """After a change of password or factor: whoever was in with the old one is out, but for the session that did it."""
    rows = Session.objects.filter(principal_id=principal_id)
    return end_sessions(rows.exclude(id=keep) if keep else rows, reason, by=by)
