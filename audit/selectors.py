from uuid import UUID

from django.db.models import QuerySet

from audit.models import Event


def events() -> QuerySet[Event]:
    """Newest first. Ids are UUIDv7, so their order is the order of time."""
    return Event.objects.order_by("-id")


def events_about(subject_id: UUID) -> QuerySet[Event]:
    """What was done to one thing."""
    return events().filter(subject_id=subject_id)
