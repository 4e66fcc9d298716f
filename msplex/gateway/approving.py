"""The approval gate at the gateway: a request is left behind, or found and taken. The broker decides anew."""

import dataclasses
from uuid import UUID

from django.db import transaction

from approvals.binding import digest_of, imported_of, tool_digest_of
from approvals.granting import what_changed
from approvals.models import ApprovalRequest
from approvals.policy import Ruling
from approvals.selectors import still_missing, voters_of
from approvals.services import request_approval, void
from audit.lag import ALL_STOP_SECONDS, RISKY_STOP_SECONDS
from connectors.contract import Risk
from connectors.models import ToolCall
from connectors.selectors import mapping_for
from msplex.decision.verdicts import Code, Decision, Gate, Refusal
from msplex.gateway.callers import Seen
from tenants.isolation.context import acting_for

State = ApprovalRequest.State
REASON, TICKET, KEY = "io.msplex/reason", "io.msplex/ticket", "io.msplex/idempotency-key"
POLL_SECONDS = 30
NOT_SEALED = Refusal(
    Code.AUDIT_UNAVAILABLE, "The audit log is not being sealed, so nothing was done. Try again in a moment.", True, 10
)
TOO_LONG = Refusal(
    Code.INVALID_ARGUMENTS, "The arguments are too long for people to look at, and this call needs their approval."
)

CONFIRM = Refusal(Code.CONFIRMATION_REQUIRED, "The policy asks the caller to confirm this. Nothing was sent.", True)
DECLINED = Refusal(Code.APPROVAL_REJECTED, "The caller was asked, and did not say yes. Nothing was sent.")


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What the caller says in the `_meta` of the call: to those who decide, and what it calls this change."""

    reason: str = ""
    ticket: str = ""
    key: str | None = None
    takes_tasks: bool = False  # its client has declared the extension
    can_ask: bool = False  # its client puts questions to its user
    confirmed: str | None = None  # the name under which its user has said yes to exactly this call
    declined: bool = False


UNTOLD = Told()


def told_in(meta: object) -> Told:
    """Text only, without what the database cannot hold; its length is bounded where it is kept."""
    if not isinstance(meta, dict):
        return UNTOLD
    reason, ticket = (_plain(meta.get(name)) for name in (REASON, TICKET))
    return Told(reason, ticket, None if meta.get(KEY) is None else _plain(meta[KEY]))


def _plain(value: object) -> str:
    return value.encode("utf-8", "replace").decode().replace("\0", "").strip() if isinstance(value, str) else ""


def dispatchable(decision: Decision, lag: float) -> Decision:
    """An allowed call may be sent, unless the log falls behind: what changes something stops at once."""
    if decision.refusal is not None:
        return decision
    tool = decision.resolved.tool
    risky = tool is None or tool.risk is not Risk.READ
    if lag > (RISKY_STOP_SECONDS if risky else ALL_STOP_SECONDS):
        return decision.refused_at(Gate.DISPATCH, NOT_SEALED)
    return decision.passed(Gate.DISPATCH, "recorded before it was queued")


def approval(seen: Seen, decision: Decision, call: ToolCall, told: Told) -> Decision:
    """A call that needs people leaves a request behind, and its refusal says which; once approved it passes."""
    refusal, said = decision.refusal, decision.resolved.ruling
    if refusal is None or refusal.code != Code.APPROVAL_REQUIRED or call.customer is None or said is None:
        return decision
    if said.confirms and may_confirm(seen) and (told.can_ask or told.declined):
        return decision.refused_at(Gate.CHECK_APPROVAL, DECLINED if told.declined else CONFIRM)
    if set(call.arguments) == {"not_kept"}:
        return decision.refused_at(Gate.CHECK_APPROVAL, TOO_LONG)
    with acting_for(seen.context), transaction.atomic():
        found = request_approval(call, said, reason=told.reason, ticket=told.ticket)
        why = _void(found, call, said) if found.state == State.APPROVED else ""
        if why:
            void(found, why, by=call.actor())
    if found.state == State.APPROVED and not why:
        call.approval_id = found.pk
        return dispatchable(decision.approved(f"request {found.pk}"), seen.lag)
    return decision.refused_at(Gate.CHECK_APPROVAL, _refusal(found, refusal, why))


def may_confirm(seen: Seen) -> bool:
    """The agent of a person, who is asked. Automation has nobody to ask."""
    return seen.principal is not None and seen.principal.agent_session_id is not None


def _void(found: ApprovalRequest, call: ToolCall, said: Ruling) -> str:
    """Why what was approved does not hold any more; empty, if it does."""
    mapping = mapping_for(found.instance, found.customer_id)
    external_id = mapping.external_id if mapping else ""
    tool = tool_digest_of(call.connector, call.tool, imported_of(found.instance))
    if digest_of(found, arguments=call.arguments, external_id=external_id, tool_digest=tool) != found.digest:
        return what_changed(found, external_id, tool)
    if still_missing(found, said, voters_of(found)):
        return "Not enough of those who approved it may still do so, or the policy asks for more people by now."
    return ""


def _refusal(found: ApprovalRequest, refusal: Refusal, why: str) -> Refusal:
    if why:
        message = f"The approval of request {found.pk} does not hold any more: {why} Call again to ask anew."
        return Refusal(Code.APPROVAL_VOID, message, True, request_id=found.pk)
    if found.state == State.EXECUTING:
        return taken(found.pk)
    if found.state == State.REJECTED:
        return Refusal(Code.APPROVAL_REJECTED, f"Request {found.pk} was rejected. {found.because}", request_id=found.pk)
    message = (
        f"{refusal.message} It waits as request {found.pk}. Make the same call again to see, and once it is approved to"
        " run it."
    )
    return dataclasses.replace(refusal, message=message, request_id=found.pk, retry_after=POLL_SECONDS)


def taken(request_id: UUID | None) -> Refusal:
    message = f"Request {request_id} was approved, and its one call has been made already. Look at what became of it."
    return Refusal(Code.APPROVAL_REQUIRED, message, request_id=request_id)
