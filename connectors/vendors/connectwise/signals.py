"""Open tickets that are out of their service level, by the call that computes it anew."""

from collections.abc import Iterator
from typing import Any

from connectors.contract import Connection
from connectors.models import Signal
from connectors.shapes import at
from connectors.sightings import MOST, Sighting, Sightings
from connectors.vendors.connectwise.client import ConnectWiseClient
from connectors.vendors.connectwise.shapes import OWNER

_SIZE = 100
_PAGES = 20  # a call that computes is not asked for fifty


def signals(connection: Connection) -> Sightings:
    rows = list(_open_tickets(ConnectWiseClient(connection)))
    whole = frozenset({Signal.Kind.SLA}) if len(rows) < min(_PAGES * _SIZE, MOST) else frozenset()
    return Sightings([_sighting(row) for row in rows if at(row, "isInSla") is False], whole)


def _open_tickets(client: ConnectWiseClient) -> Iterator[Any]:
    asked = {"conditions": "closedFlag=false", "orderBy": "id desc"}
    for number in range(1, _PAGES + 1):
        rows = client.page("/service/tickets/calculateSla", asked, number=number, size=_SIZE)
        yield from rows
        if len(rows) < _SIZE:
            return


def _sighting(row: Any) -> Sighting:
    return Sighting(
        Signal.Kind.SLA,
        owner=at(row, OWNER),
        id=at(row, "id"),
        title=at(row, "summary"),
        severity=Signal.Severity.HIGH,
        opened=at(row, "_info.dateEntered"),
        due=at(row, "resolutionGoalUTC"),
    )
