"""Conditions that hold on devices, how many devices there are, and how many known vulnerabilities they have.

An alert names its device and no organisation, so every device is read first. Of vulnerabilities the vendor has numbers
alone, for each device.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from connectors.contract import Connection
from connectors.models import Signal
from connectors.narrowing import normalised
from connectors.shapes import at, integer
from connectors.sightings import Managed, Sighting, Sightings
from connectors.vendors.ninjaone.client import NinjaClient
from connectors.vendors.ninjaone.shapes import DEVICE, OWNER

_PENDING = "PENDING"
_PAGES = 20  # of a thousand devices each
_SEVERITIES = {
    "CRITICAL": Signal.Severity.CRITICAL,
    "MAJOR": Signal.Severity.HIGH,
    "MODERATE": Signal.Severity.MEDIUM,
    "MINOR": Signal.Severity.LOW,
    "NONE": Signal.Severity.LOW,
}
_CVES = {
    "criticalVulnerabilityCount": ("critical", Signal.Severity.CRITICAL),
    "highVulnerabilityCount": ("high", Signal.Severity.HIGH),
}
Owners = Mapping[Any, str]


def signals(connection: Connection) -> Sightings:
    client = NinjaClient(connection)
    pages = list(islice(client.after("/v2/devices"), _PAGES + 1))
    owners = {at(row, "id"): owner for page in pages for row in page if (owner := normalised(at(row, OWNER)))}
    alerts = client.rows("/v2/alerts")
    health = [row for page in islice(client.cursor("/v2/queries/device-health", {}), _PAGES + 1) for row in page]
    if len(pages) > _PAGES:  # a number of some of the devices would be taken for the number of all
        return Sightings(list(_alerts(alerts, owners)), frozenset())
    rows = [*_alerts(alerts, owners), *_devices(owners), *_vulnerabilities(health, owners)]
    return Sightings(rows, frozenset(Signal.Kind), [each for page in pages for each in _managed(page)])


def _managed(page: list[Any]) -> Iterator[Managed]:
    """Without what nobody has approved yet: that is not managed."""
    for row in page:
        if at(row, "approvalStatus") != _PENDING:
            yield Managed(at(row, OWNER), at(row, "id"), at(row, "displayName") or at(row, "systemName"))


def _alerts(rows: list[Any], owners: Owners) -> Iterator[Sighting]:
    for row in rows:
        yield Sighting(
            Signal.Kind.ALERT,
            owner=owners.get(integer(at(row, DEVICE))),
            id=at(row, "uid"),
            title=at(row, "subject") or at(row, "message"),
            severity=_SEVERITIES.get(str(at(row, "severity")), Signal.Severity.UNKNOWN),
            opened=at(row, "createTime"),
        )


def _devices(owners: Owners) -> Iterator[Sighting]:
    for owner, number in Counter(owners.values()).items():
        yield Sighting(Signal.Kind.DEVICES, owner, "devices", "Devices", Signal.Severity.LOW, count=number)


def _vulnerabilities(rows: list[Any], owners: Owners) -> Iterator[Sighting]:
    totals: Counter[tuple[str, str]] = Counter()
    for row in rows:
        owner = owners.get(integer(at(row, DEVICE)))
        for name in _CVES:
            totals[owner or "", name] += max(integer(at(row, name)) or 0, 0)
    for (owner, name), number in totals.items():
        word, severity = _CVES[name]
        if owner:
            title = f"Vulnerabilities rated {word}"
            yield Sighting(Signal.Kind.CVES, owner, word, title, severity, count=number)
