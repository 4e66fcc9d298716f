"""What people do about what they are told."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from approvals.notifications.models import Notification, Recipient
from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from tenants.errors import Conflict, Invalid, NotFound

SNOOZES = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1), "1w": timedelta(days=7)}


@transaction.atomic
def acknowledge(recipient: Recipient, *, by: Actor) -> Recipient:
    """The person has seen it. Of what is shared, one is enough: it is taken, and waits for nobody else."""
    found = _open(recipient)
    if found.acknowledged_at is not None:
        return found
    found.acknowledged_at = timezone.now()
    found.save(update_fields=["acknowledged_at"])
    if found.notification.shared:
        _take_over(found.notification, found.acknowledged_at, by)
    record(EventKind.NOTIFICATION_ACKNOWLEDGED, actor=by, **_about(found))
    return found


@transaction.atomic
def snooze(recipient: Recipient, *, how_long: str, by: Actor) -> Recipient:
    """Put off, for this person alone: it waits again when the time is over."""
    if how_long not in SNOOZES:
        raise Invalid(f"Choose one of: {', '.join(SNOOZES)}.", field="how_long")
    found = _open(recipient)
    found.snoozed_until = timezone.now() + SNOOZES[how_long]
    found.save(update_fields=["snoozed_until"])
    record(EventKind.NOTIFICATION_SNOOZED, actor=by, **_about(found), body={"how_long": how_long})
    return found


def _open(recipient: Recipient) -> Recipient:
    """Locked. What is over needs nothing more."""
    rows = Recipient.objects.select_for_update(of=("self",)).select_related("notification")
    found = rows.filter(id=recipient.pk).first()
    if found is None:
        raise NotFound
    if found.notification.state != Notification.State.OPEN:
        raise Conflict("This is over already.", code="notification_over")
    return found


def _take_over(notification: Notification, at: datetime, by: Actor) -> None:
    Notification.objects.filter(id=notification.pk, state=Notification.State.OPEN).update(
        state=Notification.State.ACKNOWLEDGED, ended_at=at, ended_by=by.label[:200]
    )
    notification.refresh_from_db()


def _about(recipient: Recipient) -> dict[str, Any]:
    notification = recipient.notification
    return {
        "subject": ("notification", notification.pk, notification.title),
        "customer_id": notification.customer_id,
    }
