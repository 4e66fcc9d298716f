"""What the server of a connection offers, looked at by the broker: daily, on request, and when a call found a change.

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
from connectors.catalogue import find
from connectors.errors import ExecutionError
from connectors.imported import mcp
from connectors.imported.definitions import digest
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Discovery, ImportedTool
from connectors.reaching import reached
from connectors.scrub import scrubbed
from connectors.selectors import askable, lifecycle_of
from connectors.tasks import discover_tools
from tenants.errors import Conflict
from tenants.isolation.context import Context, acting_for, acting_tenant

logger = logging.getLogger(__name__)
DISCOVERER = system("discovery of tools")
State = ImportedTool.State


@transaction.atomic
def request_discovery(instance: ConnectorInstance, *, by: Actor) -> None:
    if instance.connector != "mcp":
        raise Conflict("Only an MCP server says what it offers; give a description instead.", code="not_discoverable")
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
        asked = askable(now).filter(connector="mcp").exclude(state=ConnectorInstance.State.INACTIVE)
        due = [str(each.id) for each in asked]
    for instance_id in due:
        discover_tools.delay(instance_id)
    return len(due)


def discover(instance_id: UUID) -> None:
    """In the broker process: ask, without a transaction; then write down what was seen."""
    with transaction.atomic():
        instance = askable(timezone.now()).filter(id=instance_id, connector="mcp").first()
    if instance is None:
        return
    try:
        listed = _asked(instance)
    except ExecutionError as error:
        note_failure(instance, error.code)
    else:
        note(instance, listed.tools, unusable=listed.unusable, by=DISCOVERER)


def _asked(instance: ConnectorInstance) -> mcp.Listed:
    entry = find(instance.connector)
    if entry is None:
        raise LookupError(instance.connector)
    purpose = Purpose(DISCOVERER, f"{instance.connector}.discovery", CallRef(None, instance.id))
    with reached(instance, entry, purpose) as connection:
        return scrubbed(lambda: mcp.list_tools(connection), place=f"{entry.key}.discovery")


@transaction.atomic
def note_failure(instance: ConnectorInstance, code: str) -> None:
    """Nothing is known of the tools then. Calls are checked anyway, each on its own."""
    Discovery.objects.create(instance=instance, code=code)


@transaction.atomic
def note(instance: ConnectorInstance, found: Mapping[str, Mapping[str, Any]], *, unusable: int, by: Actor) -> Discovery:
    """What is offered now, in place of what was before. Of what changed, nothing stays exposed."""
    ConnectorInstance.objects.select_for_update().get(id=instance.id)
    known = {tool.name: tool for tool in ImportedTool.objects.select_for_update().filter(instance=instance)}
    added = [_added(instance, name, found[name]) for name in found if name not in known]
    changed = [tool for tool in known.values() if _moved(tool, found.get(tool.name), by=by)]
    numbers = {"found": len(found), "unusable": unusable, "added": len(added), "changed": len(changed)}
    record(EventKind.TOOLS_FOUND, actor=by, **_about(instance), body=numbers)
    return Discovery.objects.create(instance=instance, **numbers)


def _added(instance: ConnectorInstance, name: str, definition: Mapping[str, Any]) -> ImportedTool:
    seen = {"seen": dict(definition), "seen_digest": digest(definition)}
    return ImportedTool.objects.create(instance=instance, name=name, **seen)


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
