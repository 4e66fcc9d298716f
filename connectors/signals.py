"""Pulls what vendors say of every customer, and keeps it: each row under the customer whose it is, or not at all.

In the broker. It is asked again and again, and the same answer changes nothing.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import CallRef, system
from audit.errors import AuditUnavailable
from connectors.assets import keep_assets
from connectors.broker import Purpose
from connectors.canary import leaks
from connectors.catalogue import find
from connectors.contract import Connection, Connector
from connectors.errors import ExecutionError, OutputBlocked
from connectors.models import ConnectorInstance, Signal, SignalPull
from connectors.reaching import reached
from connectors.readiness import has_credential_for_all
from connectors.scrub import scrubbed
from connectors.selectors import connectors_with_signals, due_for_pull
from connectors.selectors import owners as owners_of
from connectors.sightings import MOST, Read, Sightings, Thing, read, read_thing
from connectors.tasks import pull_signals as pull_task

logger = logging.getLogger(__name__)
PULLER = system("signals")
EVERY = timedelta(minutes=5)
KEPT = timedelta(days=30)
Key = tuple[UUID, str, str]
_COLUMNS = ("title", "severity", "opened_at", "due_at", "count", "state", "resolved_at", "seen_at")


@dataclass(slots=True)
class Pulled:
    """What one look at a vendor brought. `code`: why it brought nothing."""

    rows: list[Read] = field(default_factory=list)
    whole: frozenset[Signal.Kind] = frozenset()
    things: list[Thing] | None = None  # None: what is managed was not told
    all_things: bool = False  # each of them could be read
    unreadable: int = 0
    code: str = ""


def pull_signals(instance_id: UUID, now: datetime | None = None) -> None:
    """Look, without a transaction; then write down what was seen, if the connection is still what it was."""
    with transaction.atomic():
        instance = due_for_pull(now or timezone.now(), EVERY).filter(id=instance_id).first()
    entry = find(instance.connector) if instance else None
    if instance is not None and entry is not None and entry.signals is not None and has_credential_for_all(entry):
        keep(instance, _looked(instance, entry), now or timezone.now())


def enqueue_due_pulls(now: datetime) -> int:
    with transaction.atomic():
        due = [
            str(instance.id) for instance in due_for_pull(now, EVERY).filter(connector__in=connectors_with_signals())
        ]
    for instance_id in due:
        pull_task.delay(instance_id)
    return len(due)


def _looked(instance: ConnectorInstance, entry: Connector) -> Pulled:
    try:
        purpose = Purpose(PULLER, f"{instance.connector}.signals", CallRef(None, instance.id))
        with reached(instance, entry, purpose) as connection:
            return scrubbed(lambda: _read(entry, connection), place=f"{entry.key}.signals")
    except ExecutionError as error:
        return Pulled(code=error.code)
    except AuditUnavailable:
        return Pulled(code="audit_unavailable")


def _read(entry: Connector, connection: Connection) -> Pulled:
    if entry.signals is None:
        raise LookupError("asked for in connectors.signals alone")
    told: Sightings = entry.signals(connection)
    seen = list(islice(iter(told.rows), MOST + 1))
    rows = [found for each in seen[:MOST] if (found := read(each)) is not None]
    managed = None if told.managed is None else [read_thing(each) for each in told.managed]
    things = None if managed is None else [each for each in managed if each]
    said = [[row.title, row.external_id] for row in rows] + [[each.name, each.external_id] for each in things or ()]
    if leaks(said, connection.secrets):
        raise OutputBlocked
    whole = told.whole if len(seen) <= MOST else frozenset()
    read_all = managed is not None and None not in managed
    return Pulled(rows, whole, things, all_things=read_all, unreadable=min(len(seen), MOST) - len(rows))


@transaction.atomic
def keep(instance: ConnectorInstance, pulled: Pulled, now: datetime) -> None:
    """What is of nobody's among our customers is counted, and not kept."""
    pull = _locked_pull(instance)
    current = ConnectorInstance.objects.filter(id=instance.id).first()
    if current is None or current.configured_at != instance.configured_at:
        return
    pull.pulled_at, pull.code = now, pulled.code
    if not pulled.code:
        owners = owners_of(instance)
        mine = {(owners[row.owner], row.kind.value, row.external_id): row for row in pulled.rows if row.owner in owners}
        _forget_strangers(instance, owners)
        _write(instance, mine, pulled.whole, now)
        if pulled.things is not None:
            keep_assets(instance, pulled.things, owners, whole=pulled.all_things)
        pull.ok_at, pull.kept = now, len(mine)
        pull.unmapped = sum(row.owner not in owners for row in pulled.rows)
        pull.unreadable = pulled.unreadable
    pull.save(update_fields=["pulled_at", "code", "ok_at", "kept", "unmapped", "unreadable"])


def _locked_pull(instance: ConnectorInstance) -> SignalPull:
    SignalPull.objects.get_or_create(instance=instance)
    return SignalPull.objects.select_for_update().get(instance=instance)


def _forget_strangers(instance: ConnectorInstance, owners: Mapping[str | None, UUID]) -> None:
    """What was kept under a mapping that is not there any more, or is another now."""
    kept = Signal.objects.filter(instance=instance).values_list("id", "owner", "customer_id")
    gone = [key for key, owner, customer in kept if owners.get(owner) != customer]
    Signal.objects.filter(id__in=gone).delete()


def _write(instance: ConnectorInstance, mine: Mapping[Key, Read], whole: frozenset[Signal.Kind], now: datetime) -> None:
    there = {_key(row): row for row in Signal.objects.filter(instance=instance)}
    new = [
        Signal(instance=instance, customer_id=key[0], kind=row.kind, external_id=row.external_id, owner=row.owner,
               seen_at=now, **row.values)
        for key, row in mine.items()
        if key not in there
    ]  # fmt: skip
    Signal.objects.bulk_create(new, ignore_conflicts=True)  # a webhook may have told the same meanwhile
    changed = [*_seen_again(there, mine, now), *_over(there, mine, whole, now)]
    Signal.objects.bulk_update(changed, _COLUMNS, batch_size=500)


def _key(row: Signal) -> Key:
    return row.customer_id, row.kind, row.external_id


def _seen_again(there: Mapping[Key, Signal], mine: Mapping[Key, Read], now: datetime) -> Iterator[Signal]:
    for key, found in mine.items():
        if row := there.get(key):
            for name, value in found.values.items():
                setattr(row, name, value)
            row.state, row.resolved_at, row.seen_at = Signal.State.OPEN, None, now
            yield row


def _over(
    there: Mapping[Key, Signal], mine: Mapping[Key, Read], whole: frozenset[Signal.Kind], now: datetime
) -> Iterator[Signal]:
    """Only where the vendor's whole list was read: what was cut off has not ended."""
    for key, row in there.items():
        if key not in mine and row.state == Signal.State.OPEN and row.kind in whole:
            row.state, row.resolved_at = Signal.State.RESOLVED, now
            yield row


@transaction.atomic
def forget_old_signals(now: datetime) -> int:
    """What has been over for long, and what nobody has seen for as long: its connection is not asked any more."""
    over = Signal.objects.filter(state=Signal.State.RESOLVED, resolved_at__lt=now - KEPT)
    unseen = Signal.objects.filter(seen_at__lt=now - KEPT)
    return int(over.delete()[0]) + int(unseen.delete()[0])
