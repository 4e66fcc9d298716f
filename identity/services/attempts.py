"""Slows guessing down, in the database, so that a restart forgives nothing. It never locks anyone out for good."""

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from identity.models import Attempts

FREE = 5
LONGEST = timedelta(minutes=15)
FORGOTTEN = timedelta(days=1)


def _subject(parts: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _delay(count: int, free: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(count - free, 10)), LONGEST) if count >= free else timedelta(0)


@transaction.atomic
def admit(*parts: str, free: int = FREE) -> bool:
    """Count one try at what `parts` name. False, uncounted, while too many have been made too lately.

    It is counted before the secret is looked at, so that tries at the same moment cannot slip through together.
    """
    now = timezone.now()
    row = _locked(_subject(parts), now)
    if now - row.last_at > FORGOTTEN:
        row.count = 0
    if now < row.last_at + _delay(row.count, free):
        return False
    Attempts.objects.filter(id=row.pk).update(count=row.count + 1, last_at=now)
    return True


def _locked(subject: bytes, now: datetime) -> Attempts:
    """The row, made if need be and locked by the same statement: between two, forgive() could delete it."""
    Attempts.objects.bulk_create(
        [Attempts(subject=subject, last_at=now)],
        update_conflicts=True,
        unique_fields=["tenant_id", "subject"],
        update_fields=["subject"],
    )
    return Attempts.objects.get(subject=subject)


def forgive(*parts: str) -> None:
    """The secret was right: the tries before it do not count. What is long past goes with them."""
    past = Q(last_at__lt=timezone.now() - FORGOTTEN)
    Attempts.objects.filter(Q(subject=_subject(parts)) | past).delete()
