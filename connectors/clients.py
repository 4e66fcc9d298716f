"""Who is a client in the vendor's system: fetched by the broker when a person asks, and once a day.

The list is replaced as a whole, or stays as it was. That a mapped client went away or is called otherwise is an event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, CallRef, system
from audit.kinds import EventKind
from audit.services import record
from connectors.broker import Purpose
from connectors.catalogue import find
from connectors.contract import Client, Connection, Connector
from connectors.errors import MESSAGES, RETRYABLE, ExecutionError, VendorError
from connectors.imported.client_sources import listing
from connectors.lifecycle import Action
from connectors.matching import plain_name
from connectors.models import ClientList, ClientSource, ConnectorInstance, CustomerMapping, VendorClient
from connectors.network import Limits
from connectors.paging import CLIENT_PAGES, WALK_SIZE
from connectors.reaching import reached
from connectors.readiness import has_credential_for_all
from connectors.scrub import scrubbed
from connectors.selectors import askable, client_source, lifecycle_of
from connectors.tasks import fetch_clients as fetch_task
from tenants.errors import Conflict

LISTER = system("list of clients")
MOST = CLIENT_PAGES * WALK_SIZE
LIMITS = Limits(total_seconds=90.0)  # of many pages; a task of the broker may take 120
DAY, RETRY = timedelta(days=1), timedelta(hours=1)
# Of the mapped clients, this many may go at once before somebody has to say that it is so.
FEW = 2
CLIENTS_MISSING = "clients_missing"
MESSAGE_MISSING = (
    "More than half of the mapped clients are not in the vendor's list any more, so it was not believed. Look at what"
    " the credential may see there; if they are really gone, fetch again and say so."
)
_LONGEST_ID, _LONGEST_NAME, _LONGEST_DOMAIN = 64, 200, 253


@dataclass(frozen=True, slots=True)
class Fetch:
    """What the vendor said. With a `code` it said nothing that counts."""

    clients: tuple[Client, ...] = ()
    code: str = ""


def message_of(code: str) -> str:
    """For people: what a code of a ClientList means. Empty for none."""
    return MESSAGE_MISSING if code == CLIENTS_MISSING else MESSAGES.get(code, "")


@transaction.atomic
def request_clients(instance: ConnectorInstance, *, by: Actor, believe: bool = False) -> ClientList:
    """Written down as well as sent: while the queue is away, the next sweep after its return sends it."""
    lifecycle_of(instance, timezone.now()).require(Action.CHECK)
    if not has_credential_for_all(find(instance.connector)):
        raise Conflict("This connector has no credential that sees every client.", code="own_credentials_only")
    if not can_list_clients(instance):
        raise Conflict("Declare first which of its tools lists the clients.", code="no_client_source")
    listed = _locked_list(instance)
    listed.asked_at, listed.asked_by, listed.believe = timezone.now(), by.label[:200], believe
    listed.save(update_fields=["asked_at", "asked_by", "believe"])
    record(EventKind.CLIENTS_REQUESTED, actor=by, **_about(instance), body={"believe": believe})
    fetch_task.delay_on_commit(str(instance.id))
    return listed


def can_list_clients(instance: ConnectorInstance) -> bool:
    """Whether there is a list to ask for: of tools that are the tenant's, one has to be declared for it."""
    connector = find(instance.connector)
    if connector is None or not has_credential_for_all(connector):
        return False
    return not connector.imports_tools or ClientSource.objects.filter(instance=instance).exists()


def fetch_clients(instance_id: UUID, now: datetime) -> None:
    """In the broker process: ask, without a transaction; then write down what was said. Nothing if it is not due."""
    with transaction.atomic():
        instance = askable(now).filter(id=instance_id).first()
        listed = ClientList.objects.filter(instance=instance_id).first()
        listable = instance is not None and can_list_clients(instance)
    if instance is not None and listable and is_due(instance, listed, now):
        record_clients(instance, _asked(instance))


def is_due(instance: ConnectorInstance, listed: ClientList | None, now: datetime) -> bool:
    """Asked for; or never fetched; or not since this connection's minute of the day, or an hour ago in vain."""
    if listed is None or listed.fetched_at is None or listed.is_awaited:
        return True
    if listed.code in RETRYABLE:
        return now - listed.fetched_at >= RETRY
    return listed.fetched_at < _last_turn(instance, now)


def _last_turn(instance: ConnectorInstance, now: datetime) -> datetime:
    """Each connection has a minute of its own, so that they are spread over the day."""
    turn = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(minutes=instance.id.int % 1440)
    return turn if turn <= now else turn - DAY


def enqueue_due_fetches(now: datetime) -> int:
    """Of the acting tenant. Of connections that are set up; of inactive ones when somebody asked."""
    with transaction.atomic():
        lists = {listed.instance_id: listed for listed in ClientList.objects.all()}
        due = [
            str(instance.id)
            for instance in askable(now)
            if _may_be_fetched(instance, lists.get(instance.id))
            and is_due(instance, lists.get(instance.id), now)
            and can_list_clients(instance)
        ]
    for instance_id in due:
        fetch_task.delay(instance_id)
    return len(due)


def _may_be_fetched(instance: ConnectorInstance, listed: ClientList | None) -> bool:
    if not has_credential_for_all(find(instance.connector)):
        return False
    return instance.state == ConnectorInstance.State.ACTIVE or (listed is not None and listed.is_awaited)


def _asked(instance: ConnectorInstance) -> Fetch:
    connector = find(instance.connector)
    if connector is None:
        return Fetch(code="connector_fault")
    try:
        return Fetch(_bounded(_clients(instance, connector)))
    except ExecutionError as error:
        return Fetch(code=error.code)


def _clients(instance: ConnectorInstance, connector: Connector) -> Sequence[Client]:
    place = f"{connector.key}.clients"
    purpose = Purpose(LISTER, place, CallRef(None, instance.id))
    ask = _listing(instance, connector)
    with reached(instance, connector, purpose, limits=LIMITS) as connection:
        return scrubbed(lambda: ask(connection), place=place)


@transaction.atomic
def _listing(instance: ConnectorInstance, connector: Connector) -> Callable[[Connection], list[Client]]:
    source = client_source(instance) if connector.imports_tools else None
    return listing(source, connector.fetch) if source and connector.fetch else connector.clients


def _bounded(clients: Sequence[Client]) -> tuple[Client, ...]:
    """Once each. What a connector gives is not believed to fit a row."""
    if len(clients) > MOST:
        raise VendorError("vendor_oversize")
    once = {client.id: client for client in clients}
    if any(not client.id or len(client.id) > _LONGEST_ID for client in once.values()):
        raise VendorError("vendor_shape")
    return tuple(
        Client(client.id, client.name[:_LONGEST_NAME], client.domain if len(client.domain) <= _LONGEST_DOMAIN else "")
        for client in once.values()
    )


@transaction.atomic
def record_clients(instance: ConnectorInstance, fetched: Fetch) -> ClientList | None:
    """The list as it is now, all of it. One of settings that have been replaced meanwhile says nothing."""
    if not ConnectorInstance.objects.filter(id=instance.id, configured_at=instance.configured_at).exists():
        return None
    listed, now = _locked_list(instance), timezone.now()
    known = {row.external_id: row for row in VendorClient.objects.filter(instance=instance)}
    mapped = {each.external_id: each for each in _mappings(instance)}
    there = {client.id: client for client in fetched.clients}
    lost = _lost(mapped, known, there) if not fetched.code else []
    code = fetched.code or _disbelief(listed, mapped, lost)
    counts = {} if code else _replace(instance, _Old(known, mapped, lost), there, now)
    listed.fetched_at, listed.code, listed.believe = now, code, False
    listed.ok_at, listed.count = (listed.ok_at, listed.count) if code else (now, len(there))
    listed.save(update_fields=["fetched_at", "code", "believe", "ok_at", "count"])
    result = "failed" if code else "ok"
    record(EventKind.CLIENTS_FETCHED, actor=LISTER, **_about(instance), result=result, body={"code": code, **counts})
    return listed


@dataclass(frozen=True, slots=True)
class _Old:
    """`lost`: mapped clients that the vendor does not name any more, since this time."""

    known: Mapping[str, VendorClient]
    mapped: Mapping[str, CustomerMapping]
    lost: Sequence[str]


def _mappings(instance: ConnectorInstance) -> list[CustomerMapping]:
    return list(CustomerMapping.objects.filter(instance=instance).select_related("customer"))


def _lost(
    mapped: Mapping[str, CustomerMapping], known: Mapping[str, VendorClient], there: Mapping[str, Client]
) -> list[str]:
    gone = {external for external, row in known.items() if row.gone_at}
    return sorted(external for external in mapped if external not in there and external not in gone)


def _disbelief(listed: ClientList, mapped: Mapping[str, CustomerMapping], lost: Sequence[str]) -> str:
    """A credential whose rights were cut sees few clients, or none: that is no news of the others."""
    many = len(lost) > max(FEW, len(mapped) // 2)
    return CLIENTS_MISSING if many and not listed.believe else ""


def _replace(instance: ConnectorInstance, old: _Old, there: Mapping[str, Client], now: datetime) -> dict[str, int]:
    new = [_row(instance, client, now) for client in there.values() if client.id not in old.known]
    new += [_never_seen(instance, old.mapped[each], now) for each in old.lost if each not in old.known]
    renamed = _changed(instance, old, there)
    for external in old.lost:
        _note_lost(instance, old.mapped[external], old.known.get(external))
    VendorClient.objects.bulk_create(new, batch_size=500)
    missing = VendorClient.objects.filter(instance=instance, gone_at=None).exclude(external_id__in=list(there))
    removed, _ = missing.exclude(external_id__in=list(old.mapped)).delete()
    missing.update(gone_at=now)
    _forget_gone(instance, old.mapped)
    return {
        "count": len(there), "gone": len(old.lost), "new": len(new), "removed": removed, "renamed": renamed
    }  # fmt: skip


def _forget_gone(instance: ConnectorInstance, mapped: Mapping[str, CustomerMapping]) -> None:
    """Nobody is mapped to them any more."""
    gone = VendorClient.objects.filter(instance=instance, gone_at__isnull=False)
    gone.exclude(external_id__in=list(mapped)).delete()


def _changed(instance: ConnectorInstance, old: _Old, there: Mapping[str, Client]) -> int:
    """Write what is another name or domain, or is back; how many mapped ones are renamed."""
    changed, renamed = [], 0
    for external, row in old.known.items():
        client = there.get(external)
        if client is None or (row.name, row.domain, row.gone_at) == (client.name, client.domain, None):
            continue
        mapping = old.mapped.get(external)
        if mapping and plain_name(row.name) != plain_name(client.name):
            renamed += 1
            _note_renamed(instance, mapping, row.name, client.name)
        row.name, row.domain, row.gone_at = client.name, client.domain, None
        changed.append(row)
    VendorClient.objects.bulk_update(changed, ["name", "domain", "gone_at"], batch_size=500)
    return renamed


def _row(instance: ConnectorInstance, client: Client, now: datetime) -> VendorClient:
    return VendorClient(
        instance=instance, external_id=client.id, name=client.name, domain=client.domain, first_seen_at=now
    )


def _never_seen(instance: ConnectorInstance, mapping: CustomerMapping, now: datetime) -> VendorClient:
    """Mapped by hand to a client that the vendor does not have."""
    name = mapping.external_name or mapping.external_id
    return VendorClient(
        instance=instance, external_id=mapping.external_id, name=name, first_seen_at=now, gone_at=now
    )  # fmt: skip


def _note_lost(instance: ConnectorInstance, mapping: CustomerMapping, row: VendorClient | None) -> None:
    name = row.name if row else mapping.external_name
    _note(EventKind.CLIENT_GONE, instance, mapping, {"external_id": mapping.external_id, "name": name})


def _note_renamed(instance: ConnectorInstance, mapping: CustomerMapping, before: str, after: str) -> None:
    body = {"external_id": mapping.external_id, "before": before, "after": after}
    _note(EventKind.CLIENT_RENAMED, instance, mapping, body)


def _note(kind: EventKind, instance: ConnectorInstance, mapping: CustomerMapping, body: dict[str, str]) -> None:
    customer = mapping.customer
    record(
        kind, actor=LISTER, subject=("customer", customer.id, customer.name), customer_id=customer.id,
        call=CallRef(None, instance.id), body={"alert": True, **body},
    )  # fmt: skip


def _locked_list(instance: ConnectorInstance) -> ClientList:
    listed, _ = ClientList.objects.select_for_update().get_or_create(instance=instance)
    return listed


def _about(instance: ConnectorInstance) -> dict[str, Any]:
    return {
        "subject": ("connector_instance", instance.id, instance.name), "call": CallRef(None, instance.id)
    }  # fmt: skip
