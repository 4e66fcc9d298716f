"""From the sealed log to notifications. The log is the outbox: what is committed is in it, in one order, without gaps.

A batch and the place up to which it read are one transaction, and an event is taken once by its id. So whatever is
killed, run again or run at the same time, none is lost and none is doubled. What is read has been sealed, and thereby
been found to come from one of our processes: a planted row of the log notifies nobody.

What happened longer ago than `STALE` is read and tells nobody: the ids of events are forgotten a day later
(approvals.notifications.forgetting), so that a cursor that was put back, however far, cannot tell one twice.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from approvals.notifications.declared import KINDS
from approvals.notifications.models import NotificationCursor, NotificationEvent
from approvals.notifications.taking import meaningful, take
from audit.models import Event, Leaf

logger = logging.getLogger(__name__)
BATCH = 500  # leaves of one transaction
ROUNDS = 40  # batches of one run; the next run goes on from there
STALE = timedelta(days=89)


def follow_log() -> int:
    """Read on to the end of the acting tenant's log; how many events were taken."""
    taken = 0
    for _ in range(ROUNDS):
        read, new = _take_in()
        taken += new
        if not read:
            break
    return taken


@transaction.atomic
def _take_in() -> tuple[int, int]:
    """How many leaves were read, and how many of their events were taken."""
    cursor = _locked()
    leaves = _next(cursor)
    if not leaves:
        return 0, 0
    events = _events([leaf.pk for leaf in leaves])
    for event in events:
        _take(event)
    cursor.epoch, cursor.next = leaves[-1].epoch, leaves[-1].index + 1
    cursor.save(update_fields=["epoch", "next"])
    return len(leaves), len(events)


def _locked() -> NotificationCursor:
    """One reader at a time: who comes meanwhile waits, and finds what was sealed meanwhile."""
    rows = NotificationCursor.objects.select_for_update()
    found = rows.first()
    if found is None:
        NotificationCursor.objects.bulk_create([NotificationCursor()], ignore_conflicts=True)
        found = rows.get()
    return found


def _next(cursor: NotificationCursor) -> list[Leaf]:
    """Those after the cursor; a tree that has no more is followed by the next one, if there is one."""
    leaves = list(Leaf.objects.filter(epoch=cursor.epoch, index__gte=cursor.next).order_by("index")[:BATCH])
    if leaves:
        return leaves
    later = Leaf.objects.filter(epoch__gt=cursor.epoch).order_by("epoch", "index").values_list("epoch", flat=True)
    epoch = later.first()
    return [] if epoch is None else list(Leaf.objects.filter(epoch=epoch).order_by("index")[:BATCH])


def _events(ids: Sequence[UUID]) -> list[Event]:
    """Those that mean something, were not taken, and are not so old that it may be forgotten; in the log's order."""
    place = {event_id: number for number, event_id in enumerate(ids)}
    known = set(NotificationEvent.objects.filter(id__in=ids).values_list("id", flat=True))
    since = timezone.now() - STALE
    rows = Event.objects.filter(id__in=set(ids) - known, kind__in=KINDS, occurred_at__gt=since)
    return sorted(meaningful(list(rows)), key=lambda event: place[event.pk])


def _take(event: Event) -> None:
    """One that our own code cannot read is said in the process's log, and holds up none of the others."""
    NotificationEvent.objects.create(id=event.pk)
    try:
        with transaction.atomic():
            take(event)
    except (AttributeError, KeyError, LookupError, TypeError, ValueError):
        logger.exception("alert: event %s could not be turned into a notification", event.pk)
