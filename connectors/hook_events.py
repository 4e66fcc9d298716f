"""What a signed delivery tells of customers: read by its type, and kept only where its owner is mapped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from connectors.models import ConnectorInstance, Signal
from connectors.selectors import owners
from connectors.sightings import Read, Sighting, read
from tenants.errors import Invalid

MOST_EVENTS = 500
_COLUMNS = ("title", "severity", "state", "count", "owner", "opened_at", "due_at", "seen_at", "resolved_at")
_UNIQUE = ("tenant_id", "instance", "customer", "kind", "external_id")
Key = tuple[UUID, str, str]


@dataclass(frozen=True, slots=True)
class Told:
    seen: Read
    is_over: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """`unmapped`: of clients who are nobody's here; `unreadable`: of nobody, or no event. Neither is kept."""

    kept: int
    unmapped: int
    unreadable: int


def events_in(body: bytes) -> tuple[list[Told], int]:
    """{"signals": [...]}: what could be read of it, and how many could not. Invalid: it is something else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid('Send a JSON object such as {"signals": []}.') from error
    rows = found.get("signals") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) > MOST_EVENTS:
        raise Invalid(f'Send {{"signals": [...]}} with at most {MOST_EVENTS} of them.', field="signals")
    told = [each for row in rows if (each := _told(row)) is not None]
    return told, len(rows) - len(told)


def _told(row: Any) -> Told | None:
    kind, state = (row.get("kind"), row.get("state", "open")) if isinstance(row, dict) else (None, None)
    if kind not in Signal.Kind.values or state not in Signal.State.values:
        return None
    severity = row.get("severity")
    seen = read(
        Sighting(
            Signal.Kind(kind), row.get("owner"), row.get("id"), row.get("title"),
            Signal.Severity(severity) if severity in Signal.Severity.values else Signal.Severity.UNKNOWN,
            row.get("opened"), row.get("due"), row.get("count"),
        )
    )  # fmt: skip
    return Told(seen, state == Signal.State.RESOLVED) if seen else None


def keep_told(instance: ConnectorInstance, told: list[Told], unreadable: int, sent_at: datetime) -> Kept:
    """By source id, so that the same again changes nothing. What was seen later than it was sent is newer and stays;
    what is over and was never here is not written."""
    ours = owners(instance)
    mine: dict[Key, Told] = {}
    for each in told:
        if each.seen.owner in ours:
            mine[ours[each.seen.owner], each.seen.kind.value, each.seen.external_id] = each
    there = _there(instance, mine)
    rows = [
        _row(instance, key, each, sent_at)
        for key, each in mine.items()
        if (key in there and there[key] <= sent_at) or (key not in there and not each.is_over)
    ]
    Signal.objects.bulk_create(rows, update_conflicts=True, unique_fields=_UNIQUE, update_fields=_COLUMNS)
    unmapped = sum(each.seen.owner not in ours for each in told)
    return Kept(len(rows), unmapped, unreadable)


def _there(instance: ConnectorInstance, mine: Mapping[Key, Told]) -> dict[Key, datetime]:
    ids = {external_id for _, _, external_id in mine}
    rows = Signal.objects.filter(instance=instance, external_id__in=ids)
    return {(row.customer_id, row.kind, row.external_id): row.seen_at for row in rows}


def _row(instance: ConnectorInstance, key: Key, told: Told, sent_at: datetime) -> Signal:
    state = Signal.State.RESOLVED if told.is_over else Signal.State.OPEN
    return Signal(
        instance=instance, customer_id=key[0], kind=key[1], external_id=key[2], owner=told.seen.owner, state=state,
        resolved_at=sent_at if told.is_over else None, seen_at=sent_at, **told.seen.values,
    )  # fmt: skip
