from datetime import datetime
from uuid import UUID

from django.db.models import Case, Count, Max, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from audit.alerts import Severity
from audit.families import Family, kinds_in
from audit.models import Alert, AlertHit, Event, Leaf, SavedFilter
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


def place_of(event_id: UUID) -> Leaf | None:
    """Where it stands in the sealed log; None: it is not sealed yet."""
    return Leaf.objects.filter(id=event_id).first()


def alerts() -> QuerySet[Alert]:
    """Newest first. `hits` and `hit_at`: what came to an open one and is not folded in yet."""
    own = AlertHit.objects.filter(key=OuterRef("key")).order_by().values("key")
    hits = Subquery(own.annotate(number=Count("id")).values("number"))
    latest = Subquery(own.annotate(latest=Max("at")).values("latest"))
    is_open = Q(state=Alert.State.OPEN)
    return Alert.objects.annotate(
        hits=Case(When(is_open, Coalesce(hits, 0)), default=0),
        hit_at=Case(When(is_open, latest), default=None),
    ).order_by("-id")


def open_alerts() -> QuerySet[Alert]:
    return Alert.objects.filter(state=Alert.State.OPEN)


def alerts_to_tell() -> QuerySet[Alert]:
    return open_alerts().filter(severity=Severity.HIGH.value, told_at=None).order_by("id")


def saved_filters(owner: UUID) -> QuerySet[SavedFilter]:
    """One's own, and those that others share, by name."""
    return SavedFilter.objects.filter(Q(owner_id=owner) | Q(shared=True)).order_by("name", "id")
