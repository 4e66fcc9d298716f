"""What nobody has seen to is passed on: once, over every channel, to all who could see to it."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import ApprovalRequest
from approvals.notifications.declared import Kind, Place, Who
from approvals.notifications.models import Notification, Recipient, Severity
from approvals.notifications.people import people_for
from approvals.notifications.planning import channels_of_tenant, plan
from audit.actors import system
from audit.kinds import EventKind
from audit.services import record

BATCH = 50
CLOCK = system("escalation")
NOTHING = UUID(int=0)


@transaction.atomic
def escalate(now: datetime) -> int:
    """Of the acting tenant; how many were passed on."""
    after = channels_of_tenant().escalate_minutes
    if not after:
        return 0
    late = list(_unseen(now - timedelta(minutes=after)).select_for_update(skip_locked=True, of=("self",))[:BATCH])
    for notification in late:
        _pass_on(notification, now)
    return len(late)


def _unseen(before: datetime) -> QuerySet[Notification]:
    """Urgent, for several, and acknowledged or put off by none of them."""
    own = Recipient.objects.filter(notification=OuterRef("pk"))
    seen = own.filter(Q(acknowledged_at__isnull=False) | Q(snoozed_until__isnull=False))
    urgent = Q(severity__in=[Severity.WARNING, Severity.CRITICAL]) & (Q(shared=True) | Q(kind=Kind.APPROVAL_NEEDED))
    rows = Notification.objects.filter(urgent, state=Notification.State.OPEN, escalated_at=None, first_at__lte=before)
    return rows.exclude(Exists(seen)).order_by("first_at")


def _pass_on(notification: Notification, now: datetime) -> None:
    people = _people(notification)
    made = [Recipient(notification=notification, person_id=person) for person in people]
    Recipient.objects.bulk_create(made, ignore_conflicts=True)
    notification.escalated_at = now
    notification.save(update_fields=["escalated_at"])
    plan(notification, people, again=True)
    record(
        EventKind.NOTIFICATION_PASSED_ON,
        actor=CLOCK,
        subject=("notification", notification.pk, notification.title),
        customer_id=notification.customer_id,
        body={"people": len(people)},
    )


def _people(notification: Notification) -> list[UUID]:
    """As of now: of a request, who may decide, which all admins do; never who asked."""
    if notification.place != Place.APPROVAL:
        return people_for(Who.ADMINS)
    request = ApprovalRequest.objects.filter(id=notification.place_id or NOTHING).first()
    return people_for(Who.APPROVERS, request) if request else []
