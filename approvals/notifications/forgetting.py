"""What people were told is kept for three months. The log, which it was read from, keeps what has happened."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.notifications.declared import Kind, Place
from approvals.notifications.models import Notification, NotificationChannels, NotificationEvent, NtfyToken
from tenants.ids import uuid7_floor

# Longer than the outbox's STALE by a day, so that clocks may differ: what is forgotten is not taken again.
KEPT = timedelta(days=90)
BATCH = 1000  # rows of one transaction


def forget(now: datetime) -> int:
    """Of the acting tenant; how many rows went. Killed, it has forgotten less, and the next run does the rest."""
    before = now - KEPT
    rows: tuple[Callable[[], QuerySet[Any]], ...] = (
        lambda: _over(before),
        lambda: _taken(before),
        lambda: _replaced(now - timedelta(days=1)),
    )
    return sum(map(_in_batches, rows))


def _over(before: datetime) -> QuerySet[Notification]:
    """With its recipients and deliveries, by the database. What still waits for somebody to act is not over:
    an alert that nobody has seen to, and a request that can be decided. The rest says how something went, once.
    """
    ended = ~Q(state=Notification.State.OPEN) & Q(ended_at__lte=before)
    waits = Q(place=Place.ALERT) | Q(kind__in=[Kind.APPROVAL_NEEDED, Kind.APPROVAL_GIVEN])
    told = Q(state=Notification.State.OPEN, last_at__lte=before) & ~waits
    return Notification.objects.filter(ended | told, first_at__lte=before)


def _taken(before: datetime) -> QuerySet[NotificationEvent]:
    """What was taken before then was also made before then: a range of ids, so that the rest is not looked at."""
    return NotificationEvent.objects.filter(id__lt=uuid7_floor(before + timedelta(seconds=1)), taken_at__lte=before)


def _replaced(before: datetime) -> QuerySet[NtfyToken]:
    """Tokens that are not in use any more."""
    used = NotificationChannels.objects.exclude(ntfy_token_id=None).values("ntfy_token_id")
    return NtfyToken.objects.filter(created_at__lte=before).exclude(id__in=used)


def _in_batches(rows: Callable[[], QuerySet[Any]]) -> int:
    gone = 0
    while found := _forget_some(rows()):
        gone += found
    return gone


@transaction.atomic
def _forget_some(rows: QuerySet[Any]) -> int:
    """What has changed since it was found is looked at again by the statement that deletes, and stays."""
    ids = list(rows.order_by("id").values_list("id", flat=True)[:BATCH])
    rows.filter(id__in=ids).delete()
    return len(ids)
