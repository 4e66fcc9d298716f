"""What a connection's server offers or its description says, looked at by the broker: daily, on request, and when a
call found a change. A description that people give as text is looked at when they give it.

A definition that is not as it was reviewed, or is gone, takes its tool off the list in the transaction that notes it.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from audit.actors import Actor, CallRef, system
from audit.kinds import EventKind
from audit.services import record
from connectors.broker import Purpose
from connectors.canary import leaks
from connectors.catalogue import find
from connectors.contract import Connection
from connectors.errors import ExecutionError, OutputBlocked
from connectors.imported.definitions import Listed, digest
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Discovery, ImportedTool
from connectors.network import Limits
from connectors.reaching import reached
from connectors.scrub import scrubbed
from connectors.selectors import askable, lifecycle_of
from connectors.tasks import discover_tools
from tenants.errors import Conflict
from tenants.isolation.context import Context, acting_for, acting_tenant

logger = logging.getLogger(__name__)
DISCOVERER = system("discovery of tools")
LIMITS = Limits(response_bytes=8 * 1024 * 1024)  # of a description; what is read of it has bounds of its own
State = ImportedTool.State


@transaction.atomic
def request_discovery(instance: ConnectorInstance, *, by: Actor) -> None:
    if not can_be_asked(instance):
        raise Conflict("Nothing says what it offers; give the description as text.", code="not_discoverable")
    lifecycle_of(instance, timezone.now()).require(Action.CHECK)
    record(EventKind.TOOLS_LOOKED_FOR, actor=by, **_about(instance))
    discover_tools.delay_on_commit(str(instance.id))


def look_again(instance: ConnectorInstance) -> None:
    """A call has found another definition than the reviewed one. For the whole tenant: the call was one customer's."""
    with acting_for(Context(acting_tenant())):
        try:
            discover_tools.delay(str(instance.id))
        except (OperationalError, OSError):
            logger.exception("alert: a changed tool of connection %s stays listed until it is looked for", instance.id)


def enqueue_discoveries(now: datetime) -> int:
    """For each connection of the acting tenant whose server can be asked."""
    with transaction.atomic():
        asked = askable(now).exclude(state=ConnectorInstance.State.INACTIVE)
        due = [str(each.id) for each in asked if can_be_asked(each)]
    for instance_id in due:
        discover_tools.delay(instance_id)
    return len(due)


def discover(instance_id: UUID) -> None:
    """In the broker process: ask, without a transaction; then write down what was seen."""
    with transaction.atomic():
        instance = askable(timezone.now()).filter(id=instance_id).first()
    if instance is None or not can_be_asked(instance):
        return
    try:
        listed = _asked(instance)
    except ExecutionError as error:
        note_failure(instance, error.code)
    else:
        note(instance, listed, by=DISCOVERER)


def can_be_asked(instance: ConnectorInstance) -> bool:
    """Its connector's tools are the tenant's, and there is an address that says which there are."""
    entry = find(instance.connector)
    if entry is None or entry.offers is None:
        return False
    return all(instance.settings.get(name) for name in entry.described_at)


def _asked(instance: ConnectorInstance) -> Listed:
    entry = find(instance.connector)
    if entry is None or entry.offers is None:
        raise LookupError(instance.connector)
    offers, purpose = entry.offers, Purpose(DISCOVERER, f"{instance.connector}.discovery", CallRef(None, instance.id))
    limits = LIMITS if entry.described_at else None
    with reached(instance, entry, purpose, limits=limits, discovers=True) as connection:
        return scrubbed(lambda: _without_leaks(offers(connection), connection), place=f"{entry.key}.discovery")


def _without_leaks(listed: Listed, connection: Connection) -> Listed:
    """It is written down, and shown to people."""
    if leaks(list(listed.tools.values()), connection.secrets):
        raise OutputBlocked
    return listed


@transaction.atomic
def note_failure(instance: ConnectorInstance, code: str) -> None:
    """Nothing is known of the tools then. Calls are checked anyway, each on its own."""
    Discovery.objects.create(instance=instance, code=code)


@transaction.atomic
def note(instance: ConnectorInstance, listed: Listed, *, by: Actor) -> Discovery:
    """What is offered now, in place of what was before. Of what changed, nothing stays exposed."""
    found = listed.tools
    ConnectorInstance.objects.select_for_update().get(id=instance.id)
    known = {tool.name: tool for tool in ImportedTool.objects.select_for_update().filter(instance=instance)}
    added = [_added(instance, name, found[name]) for name in found if name not in known]
    ImportedTool.objects.bulk_create(added, batch_size=200)
    changed = [tool for tool in known.values() if _moved(tool, found.get(tool.name), by=by)]
    unusable = sum(listed.unusable.values())
    numbers = {"found": len(found), "unusable": unusable, "added": len(added), "changed": len(changed)}
    record(EventKind.TOOLS_FOUND, actor=by, **_about(instance), body=numbers | {"reasons": dict(listed.unusable)})
    return Discovery.objects.create(instance=instance, **numbers, reasons=dict(listed.unusable))


def _added(instance: ConnectorInstance, name: str, definition: Mapping[str, Any]) -> ImportedTool:
    seen = {"seen": dict(definition), "seen_digest": digest(definition)}
    return ImportedTool(instance=instance, name=name, **seen)


def _moved(tool: ImportedTool, definition: Mapping[str, Any] | None, *, by: Actor) -> bool:
    """Whether it is another one now, or gone; written down, and withdrawn if it was exposed."""
    now = digest(definition) if definition is not None else ""
    if now == tool.seen_digest:
        return False
    before, was = tool.seen_digest, tool.state
    tool.seen, tool.seen_digest = dict(definition or {}), now
    if tool.pinned_digest and now != tool.pinned_digest and tool.state != State.WITHDRAWN:
        tool.state = State.CHANGED
    elif tool.state == State.CHANGED:  # as it was reviewed again; a person exposes it
        tool.state = State.DISCOVERED
    tool.save(update_fields=["seen", "seen_digest", "state"])
    body = {"alert": was == State.EXPOSED, "before": before, "after": now, "state": str(tool.state)}
    record(EventKind.TOOL_CHANGED, actor=by, **about(tool), body=body)
    return True


def about(tool: ImportedTool) -> dict[str, Any]:
    """Subject and place of an event about the tool."""
    return {"subject": ("imported_tool", tool.pk, tool.name), "call": CallRef(None, tool.instance_id, tool.name)}


def _about(instance: ConnectorInstance) -> dict[str, Any]:
    return {
        "subject": ("connector_instance", instance.id, instance.name),
        "call": CallRef(None, instance.id),
    }


def last_discovery(instance: ConnectorInstance) -> Discovery | None:
    return Discovery.objects.filter(instance=instance).order_by("-id").first()
