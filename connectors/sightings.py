"""What a vendor's lists say of every customer at once: alerts, breached service levels, numbers. Never a tool.

A connector gives raw values; each is read here, field by field, and what has no readable owner is not kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.models import Signal
from connectors.narrowing import normalised
from connectors.shapes import integer, text

MOST = 5000  # of one pull; what comes after them is not looked at, and then nothing counts as over
_TITLE, _ID, _NAME = 300, 64, 200
_YEARS = range(1990, 2100)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Raw. `owner`: as the vendor names the client; `count`: of what is a number and no event, such as devices."""

    kind: Signal.Kind
    owner: Any
    id: Any
    title: Any
    severity: Signal.Severity = Signal.Severity.UNKNOWN
    opened: Any = None
    due: Any = None
    count: Any = None


@dataclass(frozen=True, slots=True)
class Managed:
    """Raw: one thing that the vendor manages for a client, such as a device."""

    owner: Any
    id: Any
    name: Any
    kind: str = "device"


@dataclass(frozen=True, slots=True)
class Sightings:
    """`whole`: the kinds of which everything was read, so that what is not there any more is over.

    `managed`: everything that the vendor manages; None where it does not say, or not all was read.
    """

    rows: Iterable[Sighting]
    whole: frozenset[Signal.Kind]
    managed: Iterable[Managed] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """One sighting, every value of it checked."""

    kind: Signal.Kind
    owner: str
    external_id: str
    title: str
    severity: Signal.Severity
    opened_at: datetime | None
    due_at: datetime | None
    count: int | None

    @property
    def values(self) -> dict[str, Any]:
        names = ("title", "severity", "opened_at", "due_at", "count")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Thing:
    """What is managed, every value of it checked."""

    owner: str
    external_id: str
    name: str
    kind: str


def read_thing(seen: Managed) -> Thing | None:
    """None if it names no owner, or nothing to know it by again. Without a name its id is its name."""
    owner, known = normalised(seen.owner), _known(seen.id)
    if owner is None or known is None:
        return None
    return Thing(owner, known, text(seen.name, _NAME) or known, seen.kind)


def _known(value: Any) -> str | None:
    """An id by which it is known again."""
    number = integer(value)
    known = str(number) if number is not None else text(value, _ID)
    return known if known and len(known) <= _ID else None


def read(seen: Sighting) -> Read | None:
    """None if it names no owner, or nothing to know it by again."""
    owner = normalised(seen.owner)
    known = _known(seen.id)
    if owner is None or known is None:
        return None
    count = integer(seen.count)
    if seen.count is not None and (count is None or count < 0):
        return None
    title = text(seen.title, _TITLE) or ""
    return Read(seen.kind, owner, known, title, seen.severity, moment(seen.opened), moment(seen.due), count)


def moment(value: Any) -> datetime | None:
    """Seconds since 1970, or ISO 8601; without a zone it is UTC, as vendors have it. None if it is neither."""
    found: datetime | None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    if found is None or found.year not in _YEARS:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
