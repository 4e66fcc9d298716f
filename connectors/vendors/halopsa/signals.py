"""Open tickets whose time to be solved is over. Of the vendor's own filter `includebreached` nothing sure is known."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Connection
from connectors.models import Signal
from connectors.shapes import at
from connectors.sightings import MOST, Sighting, Sightings, moment
from connectors.vendors.halopsa.client import HaloClient
from connectors.vendors.halopsa.shapes import OWNER

_SIZE = 100
_NOBODY_SET = 1990  # how the vendor writes a date that there is none of: 1900


def signals(connection: Connection) -> Sightings:
    now = datetime.now(UTC)
    rows = list(_open_tickets(HaloClient(connection)))
    whole = frozenset({Signal.Kind.SLA}) if len(rows) < MOST else frozenset()
    return Sightings([_sighting(row) for row in rows if _is_late(row, now)], whole)


def _open_tickets(client: HaloClient) -> Iterator[Any]:
    """The soonest to be solved first, so that what is cut off is not late."""
    asked: dict[str, str | int] = {"open_only": "true", "order": "fixbydate", "orderdesc": "false"}
    for number in range(1, MOST // _SIZE + 1):
        rows = client.page("/Tickets", "tickets", asked, number=number, size=_SIZE)
        yield from rows
        if len(rows) < _SIZE:
            return


def _is_late(row: Any, now: datetime) -> bool:
    due = moment(at(row, "fixbydate"))
    waits = at(row, "onhold") is True or at(row, "dateclosed") not in (None, "")
    return due is not None and due.year > _NOBODY_SET and due < now and not waits


def _sighting(row: Any) -> Sighting:
    return Sighting(
        Signal.Kind.SLA,
        owner=at(row, OWNER),
        id=at(row, "id"),
        title=at(row, "summary"),
        severity=Signal.Severity.HIGH,
        opened=at(row, "dateoccurred"),
        due=at(row, "fixbydate"),
    )
