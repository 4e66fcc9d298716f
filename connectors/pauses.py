"""When the outcome of a call is unknown, the connection's risky tools wait until a person has looked at the vendor."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.actors import Actor, CallRef
from audit.kinds import EventKind
from audit.services import record
from connectors.catalogue import find
from connectors.contract import Risk
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Pause, ToolCall
from connectors.selectors import lifecycle_of
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7
from tenants.isolation.statements import Signed, insertion, values_of

REASON_LENGTH = 1000
_INSERT = insertion(Pause)


def pause_for(db: Signed, call: ToolCall) -> Any:
    """In the transaction that says so of the call; its result is read before the end."""
    if call.instance_id is None:
        raise LookupError("a call without a connection is never dispatched")
    pause = Pause(id=uuid7(), tenant_id=call.tenant_id, instance_id=call.instance_id, call_id=call.id, tool=call.tool)
    return db.ask(_INSERT, *values_of(pause))


def open_pauses(instance: ConnectorInstance) -> QuerySet[Pause]:
    """Newest first."""
    return Pause.objects.filter(instance=instance, lifted_at=None).order_by("-id")


def is_risky(connector: str, tool: str) -> bool:
    """Also one that this release does not know."""
    entry = find(connector)
    found = entry.tool(tool) if entry else None
    return found is None or found.risk is not Risk.READ


@transaction.atomic
def resume_risky_tools(instance: ConnectorInstance, *, through: UUID, reason: str, by: Actor) -> int:
    """Lift the pauses up to the newest that the person saw: a call that was lost since then still holds."""
    reason = reason.strip()
    if not reason:
        raise Invalid("Say what you found at the vendor.", field="reason", code="reason_needed")
    if len(reason) > REASON_LENGTH:
        raise Invalid("Choose a shorter text.", field="reason")
    if not Pause.objects.filter(instance=instance, id=through).exists():
        raise Invalid("There is no such pause of this connection.", field="through", code="pause_unknown")
    lifecycle_of(instance, timezone.now()).require(Action.RESUME)
    seen = list(open_pauses(instance).filter(id__lte=through).select_for_update())
    if not seen:
        raise Conflict("Its risky tools are not paused, or somebody has resumed them already.", code="not_paused")
    changes = {"lifted_at": timezone.now(), "lifted_by": by.label[:200], "reason": reason}
    Pause.objects.filter(id__in=[pause.pk for pause in seen]).update(**changes)
    record(
        EventKind.INSTANCE_RESUMED,
        actor=by,
        subject=("connector_instance", instance.pk, instance.name),
        call=CallRef(None, instance.pk),
        body={"calls": [str(pause.call_id) for pause in seen], "reason": reason},
    )
    return len(seen)
