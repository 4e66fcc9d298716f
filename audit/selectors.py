from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from audit.families import Family, kinds_in
from audit.models import Event
from tenants.ids import uuid7_floor
from tenants.isolation.context import current


def events() -> QuerySet[Event]:
    """Newest first. Ids are UUIDv7, so their order is the order of time."""
    return Event.objects.order_by("-id")


def events_about(subject_id: UUID) -> QuerySet[Event]:
    """What was done to one thing."""
    return events().filter(subject_id=subject_id)


def events_in_sight() -> QuerySet[Event]:
    """Those that the database would show anyway: said again, so that it looks for them by an index and finds them soon
    where a customer's are few among millions."""
    context = current()
    if context is None or context.customers is None:
        return events()
    return events().filter(customer_id__in=context.customers)


def since(rows: QuerySet[Event], moment: datetime) -> QuerySet[Event]:
    """By id: only the months from then on are read."""
    return rows.filter(id__gte=uuid7_floor(moment))


def before(rows: QuerySet[Event], moment: datetime) -> QuerySet[Event]:
    return rows.filter(id__lt=uuid7_floor(moment))


def of_family(rows: QuerySet[Event], family: Family) -> QuerySet[Event]:
    return rows.filter(kind__in=[kind.value for kind in kinds_in(family)])
