"""Gate 12 begins: a call is claimed, once, and looked at, and with the claim the opening of its secret is on record.

What is run is what the sealed log says was let through, and not what stands in the row: that can be written by whoever
can write to the database. The gates are asked again, too (msplex.rechecking).
"""

import dataclasses
import logging
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import DatabaseError

from approvals import granting
from approvals.granting import UNASKED, Approval
from audit.errors import AuditUnavailable
from audit.evidence import Forged, Intent, ask_intent, intent_of
from audit.waiting import ring_for_seal
from connectors.broker import Begun
from connectors.execution import Job, begin
from connectors.models import ConnectorInstance, ToolCall
from connectors.pauses import is_risky
from connectors.selectors import CallToRun, ask_what_is_needed, call_to_run
from msplex import rechecking
from msplex.decision.verdicts import Code
from msplex.outcomes import (
    MESSAGE_EXPIRED,
    MESSAGE_NOT_READY,
    MESSAGE_NOT_RECORDED,
    MESSAGE_PAUSED,
    MESSAGE_SUSPENDED,
    MESSAGE_UNCHECKED,
    MESSAGE_VOID,
    UNRECORDED,
    Outcome,
)
from msplex.recorded import is_as_recorded
from tenants.ids import uuid7_time
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, columns, made, one, signed_transaction

logger = logging.getLogger(__name__)
START_WITHIN = timedelta(seconds=60)  # by then the caller has been told that it took too long
CLAIM_AGAIN_SECONDS = (0.1, 0.5, 2.0, 4.0)
_CLAIMED = "UPDATE connectors_toolcall c SET state = 'running', started_at = %s"
_WHICH = " WHERE c.tenant_id = %s AND c.id = %s AND c.state = 'queued' AND c.approval_id IS"
_ROW = f"RETURNING {columns(ToolCall, 'c')}"
_CLAIM = f"{_CLAIMED}{_WHICH} NULL {_ROW}"
_CLAIM_APPROVED = f"{_CLAIMED}{_WHICH} NOT NULL {_ROW}"


@dataclasses.dataclass(frozen=True, slots=True)
class Claimed:
    """`run`: with what, unless it is `refused`. `begun`: the opening of its secret is on record already."""

    call: ToolCall
    refused: Outcome | None = None
    run: Job | None = None
    approval: Approval = UNASKED
    begun: Begun | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Read:
    """What the claim has read with it."""

    call: ToolCall
    job: CallToRun | None
    tenancy: rechecking.Tenancy
    intent: Intent | None
    approval: Approval = UNASKED


def claimed(call_id: UUID) -> Claimed | None:
    """None: it is not ours to run. A database that is away for a moment, or a row that somebody holds, is no reason to
    let the call lie: nothing has been sent yet. A claim whose answer was lost is found made, and its call is given up
    as unknown."""
    ring_for_seal()
    for pause in CLAIM_AGAIN_SECONDS:
        try:
            return _claim(call_id)
        except (AuditUnavailable, DatabaseError) as error:
            logger.warning("call %s could not be claimed, and is tried again: %s", call_id, type(error).__name__)
            time.sleep(pause)
    return _claim(call_id)


def _claim(call_id: UUID) -> Claimed | None:
    try:
        found = _claim_and_begin(call_id)
    except AuditUnavailable:  # not the claim, but the opening
        logger.exception("the opening of the secret of call %s could not be recorded", call_id)
        read = _claim_alone(call_id)
        return Claimed(read.call, UNRECORDED) if read else None
    if isinstance(found, Claimed):
        return found
    read = found or _claim_approved(call_id)
    return _checked(read) if read else None


def _claim_and_begin(call_id: UUID) -> Claimed | _Read | None:
    """Both, and one wait for the disk; only the claim if the tenant has changed and has to be looked at anew first."""
    with signed_transaction() as db:
        read = _read(db, _CLAIM, call_id)
        if read is None or not rechecking.is_at_hand(read.tenancy):
            return read
        found = _checked(read)
        return dataclasses.replace(found, begun=begin(db, found.run)) if found.run else found


def _claim_alone(call_id: UUID) -> _Read | None:
    with signed_transaction() as db:
        return _read(db, _CLAIM, call_id)


def _claim_approved(call_id: UUID) -> _Read | None:
    """Of a call that takes an approval: claimed, checked and granted in one transaction, or none of it."""
    with signed_transaction() as db:
        read = _read(db, _CLAIM_APPROVED, call_id)
        if read is None:
            return None
        external = read.job.mapping.external_id if read.job else None
        return dataclasses.replace(read, approval=granting.grant(db, read.call, external))


def _read(db: Signed, claim: str, call_id: UUID) -> _Read | None:
    row = db.ask(claim, datetime.now(UTC), acting_tenant(), call_id)
    needed, asked, intended = ask_what_is_needed(db, call_id), rechecking.ask(db), ask_intent(db, call_id)
    values = one(row)
    if values is None:
        return None
    call = made(ToolCall, values)
    try:
        intent = intent_of(intended)
    except Forged:
        intent = None
    return _Read(call, call_to_run(call, needed), rechecking.tenancy_of(asked), intent)


def _checked(read: _Read) -> Claimed:
    """With the tool that the gates are asked about, and no other."""
    job = read.job
    if refused := _cannot_run(read):
        return Claimed(read.call, refused, approval=read.approval)
    if job is None:
        raise LookupError("nothing to run")
    try:
        looked = rechecking.look(job, read.tenancy, read.approval.voters)
    except DatabaseError:
        logger.exception("whether call %s may run could not be checked", job.call.id)
        unchecked = Outcome(ToolCall.State.FAILED, Code.UNAVAILABLE, MESSAGE_UNCHECKED, retryable=True)
        return Claimed(read.call, unchecked, approval=read.approval)
    if refused := _refused(job, read, looked):
        return Claimed(read.call, refused, approval=read.approval)
    run = Job(read.call, job.instance, job.mapping, looked.tool, read.intent)
    return Claimed(read.call, run=run, approval=read.approval)


def _cannot_run(read: _Read) -> Outcome | None:
    call, job = read.call, read.job
    if datetime.now(UTC) - min(call.created_at, uuid7_time(call.id)) > START_WITHIN:  # its id is on record, too
        return Outcome(ToolCall.State.FAILED, Code.BUSY, MESSAGE_EXPIRED, retryable=True)
    if job is None or job.instance.state != ConnectorInstance.State.ACTIVE:
        return Outcome(ToolCall.State.FAILED, Code.INSTANCE_NOT_READY, MESSAGE_NOT_READY)
    if job.suspended:
        return Outcome(ToolCall.State.FAILED, Code.TOOL_SUSPENDED, MESSAGE_SUSPENDED, retryable=True)
    return None


def _refused(job: CallToRun, read: _Read, looked: rechecking.Looked) -> Outcome | None:
    """What approval, log and gates say now. That no gateway would have queued the call is worth an alert."""
    approval = read.approval
    if job.paused and is_risky(looked.tool):
        return Outcome(ToolCall.State.FAILED, Code.RISKY_TOOLS_PAUSED, MESSAGE_PAUSED, retryable=True)
    if approval.refused:
        logger.error("alert: call %s was queued as approved and is not: %s", job.call.id, approval.refused)
        return Outcome(ToolCall.State.FAILED, Code.APPROVAL_VOID, f"{approval.refused} {MESSAGE_VOID}")
    if not is_as_recorded(job.call, job.instance, read.intent):
        logger.error("alert: call %s was queued and is not what was let through", job.call.id)
        return Outcome(ToolCall.State.FAILED, Code.NOT_RECORDED, MESSAGE_NOT_RECORDED)
    refusal = looked.refusal
    if refusal is None:
        return None
    logger.error("alert: call %s was queued and may not run: %s", job.call.id, refusal.code)
    return Outcome(ToolCall.State.FAILED, refusal.code, refusal.message, retryable=refusal.retryable)
