"""Gates 12 and 13: the broker's side of a call.

Claim the row (once), run it at the vendor with no transaction open, then outcome, audit event and usage in one
transaction, and only then the sealed reply. What happened to a call is never left unsaid.
"""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction

from approvals import granting
from approvals.models import ApprovalRequest
from audit.actors import ActorKind
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.services import Queued, queue_record
from billing.models import UsageEvent
from billing.services import meter_call, release_call
from connectors.errors import MESSAGES, ExecutionError, ObjectChanged
from connectors.exchanges import as_facts
from connectors.execution import Job, execute
from connectors.imported.discovery import look_again
from connectors.models import ToolCall
from connectors.pauses import pause_for, suspend_if_foreign
from msplex import kept, replies
from msplex.claiming import Claimed, claimed
from msplex.decision.verdicts import Code, Gate, Verdict
from msplex.metrics.calls import count_outcome
from msplex.outcomes import LOST, MESSAGE_EXPIRED, UNRECORDED, Outcome, changed_since, lost_in
from msplex.replies import Reply
from msplex.telling import telling
from tenants.isolation.statements import Signed, one, signed_transaction

logger = logging.getLogger(__name__)
LOST_AFTER = timedelta(minutes=5)  # longer than a broker lets any call take
_FINISH = (
    "UPDATE connectors_toolcall SET state = %s, code = %s, gate = %s, finished_at = %s, rows_returned = %s,"
    " rows_dropped = %s, rows_foreign = %s, vendor_requests = %s, verdicts = %s"
    " WHERE tenant_id = %s AND id = %s AND state = %s RETURNING true"
)


def run(call_id: UUID, *, again: bool = False) -> Reply | None:
    """Run a committed call, at most once. The message brought its id and its context; everything else is in the row.

    `again`: the message was with somebody else before, who died. What comes back is for whoever waits.
    """
    done = perform(call_id)
    if done is None:
        return _finish_lost(call_id) if again else None
    return _reply(*done)


def perform(call_id: UUID) -> tuple[ToolCall, Outcome] | None:
    """Once: the call, and what may be told of it. None: it is not there to be run."""
    found = claimed(call_id)
    if found is None:
        return None
    call = found.call
    outcome = found.refused or _execute(found)
    try:
        recorded = _finish(call, outcome)
    except (AuditUnavailable, DatabaseError):
        logger.exception("alert: the outcome of call %s could not be recorded", call_id)
        recorded = False
    # What is not on the record, metered, is not given out: somebody else has meanwhile said that it is lost.
    return call, outcome if recorded else LOST


def _execute(found: Claimed) -> Outcome:
    """Everything that can happen has an outcome: a call left running would be said to be lost, minutes later."""
    call = found.call
    try:
        return _succeeded(found)
    except ObjectChanged as error:
        return changed_since(error)
    except ExecutionError as error:
        if error.code == "tool_changed":
            look_again(_job(found).instance)
        if error.uncertain:
            logger.error("alert: call %s may have changed something: %s", call.id, error.code)  # noqa: TRY400
            return lost_in(error)
        return Outcome(
            ToolCall.State.FAILED,
            error.code,
            MESSAGES[error.code],
            retryable=error.retryable,
            retry_after=error.retry_after,
            rows_dropped=error.rows_dropped,
            vendor_requests=error.vendor_requests,
            vendor_bytes=error.vendor_bytes,
            exchanges=error.exchanges,
            answered=error.code == "not_found",
        )
    except (AuditUnavailable, DatabaseError):  # the opening of the secret could not be recorded, so nothing was sent
        return UNRECORDED
    except Exception:  # the edge of the broker
        logger.exception("alert: call %s ended in a way nobody thought of", call.id)
        return LOST


def _job(found: Claimed) -> Job:
    if found.run is None:
        raise LookupError("nothing to run")
    return found.run


def _succeeded(found: Claimed) -> Outcome:
    with telling(found.call):
        result = execute(_job(found), found.approval.shown, found.begun)
    return Outcome(
        ToolCall.State.SUCCEEDED,
        structured=result.structured,
        rows_returned=result.rows_returned,
        rows_dropped=result.rows_dropped,
        rows_foreign=result.rows_foreign,
        vendor_requests=result.vendor_requests,
        vendor_bytes=result.vendor_bytes,
        exchanges=result.exchanges,
        answered=True,
    )


def _finish(call: ToolCall, outcome: Outcome) -> bool:
    """Outcome, audit event and usage together, or none of them; False, and nothing, if somebody else was first."""
    now = datetime.now(UTC)
    ok = outcome.state == ToolCall.State.SUCCEEDED
    verdicts = [*call.verdicts, *(verdict.as_json() for verdict in _verdicts(call, outcome))]
    values = [
        outcome.state.value, outcome.code, "" if ok else Gate.EXECUTE.value, now, outcome.rows_returned,
        outcome.rows_dropped, outcome.rows_foreign, outcome.vendor_requests, json.dumps(verdicts),
        call.tenant_id, call.id, call.state,
    ]  # fmt: skip
    try:
        with signed_transaction() as db:
            changed = db.ask(_FINISH, *values)
            event = _record(db, call, outcome)
            counted = meter_call(db, _usage(call, outcome, event.at)) if outcome.answered else None
            released = None if outcome.answered else release_call(db, call.connector, call.customer_id, call.created_at)
            paused = pause_for(db, call) if outcome.state == ToolCall.State.UNKNOWN and call.instance_id else None
            keeping = _kept(db, call, outcome, now)
            ended = _ENDS.get(outcome.state, ApprovalRequest.State.FAILED)
            approval = granting.end(db, call, ended, outcome.code, outcome.message) if call.approval_id else []
            _check(changed, event, counted, released, paused)
            if keeping is not None and one(keeping) is None:
                raise DatabaseError("What the call has answered was not kept.")
            for answer in approval:
                one(answer)
            if outcome.rows_foreign and (suspended := suspend_if_foreign(db, call, now)):
                suspended.confirm()
    except _Overtaken:
        return False
    count_outcome(call, outcome.state, outcome.code, _verdicts(call, outcome))
    return True


def _kept(db: Signed, call: ToolCall, outcome: Outcome, now: datetime) -> Any:
    """For who comes back for the answer; of most calls nobody does."""
    if outcome.structured is None or not kept.is_kept(call, now):
        return None
    return kept.keep(db, call, outcome.structured, now)


_ENDS = {
    ToolCall.State.SUCCEEDED: ApprovalRequest.State.EXECUTED,
    ToolCall.State.UNKNOWN: ApprovalRequest.State.UNKNOWN,
}


class _Overtaken(Exception):
    pass


def _check(changed: Any, event: Queued, counted: Any, released: Any, paused: Any) -> None:
    if one(changed) is None:
        raise _Overtaken
    event.confirm()
    if counted is not None and one(counted) is None:
        raise DatabaseError("The usage of the call was not written.")
    if paused is not None and one(paused) is None:
        raise DatabaseError("The pause of the connection was not written.")
    if released is not None:
        one(released)


def _verdicts(call: ToolCall, outcome: Outcome) -> list[Verdict]:
    ok = outcome.state == ToolCall.State.SUCCEEDED
    detail = f"{outcome.rows_returned} rows for this customer" if ok else outcome.message
    executed = Verdict(Gate.EXECUTE, ok=ok, code=outcome.code, detail=detail)
    if not ok:
        return [executed]
    return [executed, Verdict(Gate.RETURN_RESULT, ok=True, detail=f"sealed for gateway {call.reply_to}")]


def _record(db: Signed, call: ToolCall, outcome: Outcome) -> Queued:
    lost = outcome.state == ToolCall.State.UNKNOWN
    return queue_record(
        db,
        EventKind.CALL_UNKNOWN if lost else EventKind.CALL_FINISHED,
        actor=call.actor(),
        subject=("tool_call", call.id, call.tool),
        customer_id=call.customer_id,
        result="ok" if outcome.state == ToolCall.State.SUCCEEDED else "failed",
        body={
            "alert": lost,
            "billed": outcome.answered,
            "code": outcome.code,
            "connector": call.connector,
            "requests": as_facts(outcome.exchanges),
            "rows_returned": outcome.rows_returned,
            "state": outcome.state.value,
            "vendor_bytes": outcome.vendor_bytes,
            "vendor_requests": outcome.vendor_requests,
        },
        call=call.ref,
    )


def _usage(call: ToolCall, outcome: Outcome, now: datetime) -> UsageEvent:
    """Of the moment of its audit event, so that both are of the same month."""
    if call.customer_id is None:
        raise LookupError("a call without a customer is never dispatched")
    return UsageEvent(
        id=call.id,
        customer_id=call.customer_id,
        occurred_at=now,
        connector=call.connector,
        tool=call.tool,
        principal_id=call.principal_id,
        vendor_requests=outcome.vendor_requests,
        egress_bytes=outcome.vendor_bytes,
        ai_calls=int(call.principal_kind == ActorKind.AGENT.value),
        recorded_at=now,
    )


def _reply(call: ToolCall, outcome: Outcome) -> Reply | None:
    if not call.reply_to:
        return None
    told = {
        "ok": outcome.state == ToolCall.State.SUCCEEDED,
        "code": outcome.code,
        "message": outcome.message,
        "retryable": outcome.retryable,
        "retry_after": outcome.retry_after,
        "structured": outcome.structured,
    }
    sealed = replies.seal(told, public_key=bytes(call.reply_key), tenant=call.tenant_id, call=call.id)
    return Reply(replies.channel(call.reply_to), sealed)


def _finish_lost(call_id: UUID) -> Reply | None:
    """The message came again because the process that had claimed it died: it may have reached the vendor."""
    with transaction.atomic():
        call = ToolCall.objects.filter(id=call_id, state=ToolCall.State.RUNNING).first()
    return _give_up(call) if call else None


def give_up_lost_calls(now: datetime) -> int:
    """Calls of the acting tenant that have been waiting or running for longer than any call may."""
    open_states = (ToolCall.State.QUEUED, ToolCall.State.RUNNING)
    with transaction.atomic():
        lost = list(ToolCall.objects.filter(state__in=open_states, created_at__lt=now - LOST_AFTER)[:1000])
    for call in lost:
        if reply := _give_up(call):
            replies.deliver(reply)
    return len(lost)


def _give_up(call: ToolCall) -> Reply | None:
    outcome = LOST
    if call.state == ToolCall.State.QUEUED:  # never claimed, so nothing was sent
        outcome = Outcome(ToolCall.State.FAILED, Code.BUSY, MESSAGE_EXPIRED, retryable=True)
    logger.error("alert: call %s was %s and is given up", call.id, call.state)
    return _reply(call, outcome) if _finish(call, outcome) else None
