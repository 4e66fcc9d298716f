"""What is of no use any more, and would pile up: links that are over, messages long gone, tries that are forgotten."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from identity.models import Attempts, EmailChange, Invitation, Mail, PasswordReset
from identity.services.attempts import FORGOTTEN
from tenants.ids import uuid7_floor

MAIL_KEPT = timedelta(days=90)  # so long it can be seen whether somebody was told
BATCH = 500


def forget_leftovers(now: datetime | None = None) -> int:
    """How many rows went, in short transactions. Invitations stay, and the messages that say what became of them."""
    now = now or timezone.now()
    over = Q(confirmed_at=None, expires_at__lte=now) | Q(undo_until__lte=now)
    gone = Mail.objects.filter(id__lt=uuid7_floor(now - MAIL_KEPT), finished_at__isnull=False)
    return (
        _forget(PasswordReset.objects.filter(expires_at__lte=now))
        + _forget(EmailChange.objects.filter(over))
        + _forget(gone.exclude(id__in=Invitation.objects.values("mail_id")))
        + _forget(Attempts.objects.filter(last_at__lt=now - FORGOTTEN))
    )


def _forget(rows: QuerySet[Any]) -> int:
    total = 0
    while gone := _forget_batch(rows):
        total += gone
    return total


@transaction.atomic
def _forget_batch(rows: QuerySet[Any]) -> int:
    """The condition is asked again with the lock, so that what is used just now stays."""
    ids = list(rows.order_by("id").values_list("id", flat=True)[:BATCH])
    gone: int = rows.filter(id__in=ids).delete()[0] if ids else 0
    return gone
