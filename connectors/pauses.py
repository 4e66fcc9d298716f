"""What waits until a person has looked at the vendor.

When the outcome of a call is unknown, the connection's risky tools. When the vendor has answered a tool with rows of
others although it was asked for one customer, and again, that tool: its fence is broken, and only our own check holds.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.actors import Actor, CallRef, system
from audit.kinds import EventKind
from audit.services import Queued, queue_record, record
from connectors.contract import Risk, Tool
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Pause, ToolCall
from connectors.selectors import lifecycle_of
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7
from tenants.isolation.statements import Signed, insertion, one, values_of

REASON_LENGTH = 1000
# So many calls of a tool with rows of others, within so long and since it was last resumed, and it is suspended.
FOREIGN_CALLS, FOREIGN_WITHIN = 3, timedelta(hours=1)
_INSERT = insertion(Pause)
_INSERT_ONCE = _INSERT.replace(" RETURNING", " ON CONFLICT DO NOTHING RETURNING")
# One after the other for a tool: two that end at once would each miss the other's call.
_QUEUE_UP = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_FOREIGN = """
SELECT count(*), coalesce(sum(rows_foreign), 0)::bigint FROM connectors_toolcall
WHERE tenant_id = %s AND instance_id = %s AND tool = %s AND rows_foreign > 0
AND finished_at > greatest(%s, (SELECT max(lifted_at) FROM connectors_pause
    WHERE tenant_id = %s AND instance_id = %s AND tool = %s AND why = 'foreign_rows'))
"""


def pause_for(db: Signed, call: ToolCall) -> Any:
    """In the transaction that says so of the call; its result is read before the end."""
    if call.instance_id is None:
        raise LookupError("a call without a connection is never dispatched")
    pause = Pause(id=uuid7(), tenant_id=call.tenant_id, instance_id=call.instance_id, call_id=call.id, tool=call.tool)
    return db.ask(_INSERT, *values_of(pause))


def suspend_if_foreign(db: Signed, call: ToolCall, now: datetime) -> Queued | None:
    """In the transaction of the outcome of a call that had foreign rows; what it says is confirmed before the end.

    None: the tool goes on, or is suspended already.
    """
    of_tool = (call.tenant_id, call.instance_id, call.tool)
    one(db.ask(_QUEUE_UP, "/".join(map(str, of_tool))))
    counted = one(db.ask(_FOREIGN, *of_tool, now - FOREIGN_WITHIN, *of_tool))
    calls, rows = counted or (0, 0)
    if calls < FOREIGN_CALLS or call.instance_id is None:
        return None
    pause = Pause(id=uuid7(), tenant_id=call.tenant_id, instance_id=call.instance_id, call_id=call.id, tool=call.tool)
    pause.why = Pause.Why.FOREIGN_ROWS
    if one(db.ask(_INSERT_ONCE, *values_of(pause))) is None:
        return None
    return _suspended(db, call, calls, rows)


def _suspended(db: Signed, call: ToolCall, calls: int, rows: int) -> Queued:
    """About no customer: it says of the vendor's fence, and how much of others came through."""
    return queue_record(
        db,
        EventKind.TOOL_SUSPENDED,
        actor=system("broker"),
        subject=("connector_instance", call.instance_id, call.connector),
        customer_id=None,
        result="ok",
        body={"alert": True, "calls": calls, "rows": rows, "seconds": int(FOREIGN_WITHIN.total_seconds())},
        call=call.ref,
    )


def pauses() -> tuple[frozenset[UUID], frozenset[tuple[UUID, str]]]:
    """Of the acting tenant: connections whose risky tools wait, and single tools of a connection that do."""
    found = list(Pause.objects.filter(lifted_at=None).values_list("why", "instance_id", "tool"))
    foreign = frozenset((instance, tool) for why, instance, tool in found if why == Pause.Why.FOREIGN_ROWS)
    return frozenset(instance for why, instance, _ in found if why == Pause.Why.OUTCOME_UNKNOWN), foreign


def open_pauses(instance: ConnectorInstance) -> QuerySet[Pause]:
    """Newest first."""
    return Pause.objects.filter(instance=instance, lifted_at=None).order_by("-id")


def is_risky(tool: Tool | None) -> bool:
    """Also one that is not known any more."""
    return tool is None or tool.risk is not Risk.READ


def shown_pauses(instance: ConnectorInstance, most: int) -> dict[str, list[Pause]]:
    """For a page: of either kind at most so many, and both of them newest first under `pauses`."""
    lost, suspended = (list(open_pauses(instance).filter(why=why)[:most]) for why in Pause.Why)
    both = sorted(lost + suspended, key=lambda pause: pause.pk, reverse=True)
    return {"pauses": both, "lost": lost, "suspended": suspended}


@transaction.atomic
def resume_risky_tools(instance: ConnectorInstance, *, through: UUID, reason: str, by: Actor) -> int:
    """Lift the pauses up to the newest that the person saw: what came since then still holds."""
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
        raise Conflict("Its tools are not paused, or somebody has resumed them already.", code="not_paused")
    changes = {"lifted_at": timezone.now(), "lifted_by": by.label[:200], "reason": reason}
    Pause.objects.filter(id__in=[pause.pk for pause in seen]).update(**changes)
    record(
        EventKind.INSTANCE_RESUMED,
        actor=by,
        subject=("connector_instance", instance.pk, instance.name),
        call=CallRef(None, instance.pk),
        body={
            "calls": [str(pause.call_id) for pause in seen],
            "reason": reason,
            "tools": sorted({pause.tool for pause in seen if pause.why == Pause.Why.FOREIGN_ROWS}),
        },
    )
    return len(seen)
