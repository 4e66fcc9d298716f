"""What somebody is told. A notification about a customer who is out of sight is not there, whoever it was for."""

from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.notifications.models import Delivery, Notification, NotificationChannels, Recipient
from identity.principals import ActingPrincipal
from identity.services.authority import whole_tenant


def notifications_for(principal: ActingPrincipal) -> QuerySet[Recipient]:
    """Newest first. The database shows a person their own rows, and of notifications those of customers in scope."""
    rows = Recipient.objects.filter(person_id=principal.id).select_related("notification", "notification__customer")
    return rows.order_by("-id")


def open_for(principal: ActingPrincipal) -> QuerySet[Recipient]:
    """What waits for the person: neither over, nor acknowledged, nor put off."""
    return notifications_for(principal).filter(waiting())


def waiting() -> Q:
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=timezone.now())
    return awake & Q(acknowledged_at=None, notification__state=Notification.State.OPEN)


def inbox_of(principal: ActingPrincipal) -> QuerySet[Recipient]:
    return Recipient.objects.filter(waiting(), person_id=principal.id)


def undelivered() -> QuerySet[Delivery]:
    """What was given up, or has failed so far; the latest first."""
    rows = Delivery.objects.exclude(problem="").select_related("notification")
    return rows.filter(state__in=[Delivery.State.QUEUED, Delivery.State.FAILED]).order_by("-id")


def ntfy_server() -> str:
    """Shown to everybody who is told by it."""
    with whole_tenant():
        return NotificationChannels.objects.values_list("ntfy_server", flat=True).first() or ""
