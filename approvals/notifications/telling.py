"""A notification is made, counted again, and ended; by the worker, from the log."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F

from approvals.notifications.models import Notification, Recipient
from approvals.notifications.planning import plan

State = Notification.State
LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Matter:
    """What people are told: the columns of a notification."""

    kind: str
    severity: str
    key: str
    shared: bool
    title: str
    text: str
    customer_id: UUID | None
    place: str
    place_id: UUID | None
    event_id: UUID
    at: datetime


def tell(matter: Matter, people: Iterable[UUID]) -> Notification | None:
    """Of what is open already, the same again is counted, and nobody is told anew. None: there is nobody to tell."""
    same = Notification.objects.filter(key=matter.key, state=State.OPEN)
    if same.update(times=F("times") + 1, last_at=matter.at, event_id=matter.event_id):
        return same.get()
    told = list(dict.fromkeys(people))
    return _make(matter, told) if told else None


def _make(matter: Matter, people: list[UUID]) -> Notification:
    values = asdict(matter)
    at = values.pop("at")
    values["text"] = values["text"][:LONGEST_TEXT]
    made = Notification.objects.create(**values, first_at=at, last_at=at)
    Recipient.objects.bulk_create([Recipient(notification=made, person_id=person) for person in people])
    plan(made, people)
    return made


def end_by_keys(keys: Iterable[str], *, by: str, at: datetime) -> int:
    """What they are about is over. `by`: who ended it, if somebody did."""
    rows = Notification.objects.filter(key__in=list(keys), state=State.OPEN)
    return rows.update(state=State.CLOSED, ended_at=at, ended_by=by[:200])
