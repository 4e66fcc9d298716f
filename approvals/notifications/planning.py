"""Who is told over which channels, and when: rows that wait, written with what they are about."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from approvals.notifications.declared import Place
from approvals.notifications.models import (
    Channel,
    Delivery,
    Notification,
    NotificationChannels,
    NotificationPreferences,
    Severity,
)
from approvals.tasks import deliver_notification

FIRST, PASSED_ON = 0, 1


def plan(notification: Notification, people: Iterable[UUID], *, again: bool = False) -> None:
    """In the transaction of the notification. `again`: it is passed on, over every channel that there is."""
    now, people = datetime.now(UTC), list(people)
    to, wishes = channels_of_tenant(), _wishes(people)
    rows: list[tuple[UUID | None, Channel, datetime]] = []
    for person in people:
        wish = wishes.get(person) or NotificationPreferences(person_id=person)
        due = due_at(wish, notification.severity, now)
        rows += [(person, channel, due) for channel in _channels(notification, wish, to, again=again)]
    if to.webhook_url and to.webhook_mark and notification.severity in to.webhook_severities:
        rows.append((None, Channel.WEBHOOK, now))
    made = [
        Delivery(
            notification=notification, person_id=person, channel=channel, round=PASSED_ON if again else FIRST,
            next_try_at=due,
        )
        for person, channel, due in rows
    ]  # fmt: skip
    Delivery.objects.bulk_create(made, ignore_conflicts=True)
    enqueue_on_commit(row.pk for row in made if row.next_try_at <= now)


def channels_of_tenant() -> NotificationChannels:
    return NotificationChannels.objects.first() or NotificationChannels()


def preferences_for(person: UUID | None) -> NotificationPreferences | None:
    return _wishes([person]).get(person) if person else None


def _wishes(people: Iterable[UUID]) -> Mapping[UUID, NotificationPreferences]:
    rows = NotificationPreferences.objects.filter(person_id__in=list(people))
    return {row.person_id: row for row in rows}


def _channels(
    notification: Notification, wish: NotificationPreferences, to: NotificationChannels, *, again: bool
) -> Iterator[Channel]:
    """Of an alert, owners and admins have had a letter at once (identity.services.alerts): none more, until it is
    passed on."""
    lettered = notification.place == Place.ALERT and not again
    if not lettered and (again or notification.severity in wish.email):
        yield Channel.EMAIL
    if to.ntfy_server and wish.ntfy and (again or notification.severity in wish.ntfy):
        yield Channel.NTFY


def due_at(wish: NotificationPreferences, severity: str, now: datetime) -> datetime:
    """Now, or when the person's quiet hours are over."""
    if wish.quiet_from is None or wish.quiet_until is None:
        return now
    if severity == Severity.CRITICAL and wish.critical_breaks_through:
        return now
    here = now.astimezone(ZoneInfo(wish.timezone))
    if not is_within(here.time(), wish.quiet_from, wish.quiet_until):
        return now
    ends = here.replace(hour=wish.quiet_until.hour, minute=wish.quiet_until.minute, second=0, microsecond=0)
    if ends <= here:
        ends += timedelta(days=1)  # on the clock of the wall, whatever its day is long
    return ends.astimezone(UTC)


def is_within(moment: time, begins: time, ends: time) -> bool:
    """Over midnight, if it ends earlier than it begins."""
    return begins <= moment < ends if begins < ends else moment >= begins or moment < ends


def enqueue_on_commit(ids: Iterable[UUID]) -> None:
    """Without a queue the rows are there, and the sweep finds them."""
    for row in ids:
        deliver_notification.delay_on_commit(delivery_id=str(row))
