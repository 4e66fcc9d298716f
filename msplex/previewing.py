"""Reads what a request would change, for those who decide: in the broker, by calls like any other.

Each read is a call of whoever has asked, through gates 1 to 10 as of now, written down, counted and run like one that
came through the gateway; so what its caller may not read, nobody is shown because of it.
"""

import dataclasses
import logging
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction

from approvals.effects.services import begin, settle
from approvals.models import ApprovalRequest
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.services import queue_record
from billing.services import reserve_call
from connectors.arguments import call_digest
from connectors.catalogue import find
from connectors.contract import Tool
from connectors.effects import not_seen, seen
from connectors.models import ToolCall
from identity.principals import ActingPrincipal
from identity.selectors import known_principals
from identity.services.authority import whole_tenant
from msplex.decision.decide import decide
from msplex.decision.gates import roles_for
from msplex.decision.snapshot import snapshot
from msplex.decision.verdicts import Decision, Gate, Request
from msplex.execution import perform
from msplex.recorded import as_recorded
from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.isolation.statements import insertion, one, signed_transaction, values_of

logger = logging.getLogger(__name__)
_INSERT = insertion(ToolCall)
NOT_ALLOWED = "Whoever asked may not read it now: {}"
NOT_COUNTED = "The calls that the plan or the customer's limit includes are used up."
NOT_READ = "The vendor could not be asked: {}"
NOT_RECORDED = "It could not be written down, so nothing was read."


class _NoPreview(Exception):
    """Why, for people."""


def read_effects(request_id: UUID) -> None:
    """Once for each request. Not inside a transaction."""
    with whole_tenant():
        preview = begin(request_id)
    if preview is None:
        return
    calls: list[UUID] = []
    objects: list[dict[str, Any]] = []
    why = ""
    try:
        objects = _objects(preview.request, calls)
    except _NoPreview as stopped:
        why = str(stopped)
    except (AuditUnavailable, DatabaseError):
        logger.exception("a preview could not be read")
        why = NOT_RECORDED
    with whole_tenant():
        settle(preview, objects, calls, why)


def _objects(request: ApprovalRequest, calls: list[UUID]) -> list[dict[str, Any]]:
    tool = _changed_by(request)
    if tool.preview is None:
        raise _NoPreview("The tool is not declared as it was when this was asked for.")
    found = []
    for asked in request.preview["reads"]:
        row = _row(request, tool.preview.read, asked, calls)
        found.append(seen(tool.preview, request.arguments, row) if row else not_seen(tool.preview, asked))
    return found


def _changed_by(request: ApprovalRequest) -> Tool:
    connector = find(request.connector)
    tool = connector.tool(request.tool) if connector else None
    if tool is None or tool.preview is None or tool.preview.read.name != request.preview["tool"]:
        raise _NoPreview("The tool is not declared as it was when this was asked for.")
    return tool


def _row(request: ApprovalRequest, read: Tool, asked: dict[str, Any], calls: list[UUID]) -> dict[str, Any] | None:
    """None: there is no such object of this customer."""
    with whole_tenant(), transaction.atomic():
        snap, principal = snapshot(), _requester(request)
    decision = _decided(decide(snap, principal, _wanted(request, read, asked)), request)
    call = _written(_call(request, decision, principal, asked), decision, request)
    calls.append(call.pk)
    with acting_for(Context(acting_tenant(), (request.customer_id,))):
        done = perform(call.pk)
    if done is None:
        raise _NoPreview(NOT_RECORDED)
    outcome = done[1]
    if outcome.code == "not_found":
        return None
    if outcome.structured is None:
        raise _NoPreview(NOT_READ.format(outcome.message))
    row: dict[str, Any] = outcome.structured[read.output.key]
    return row


def _wanted(request: ApprovalRequest, read: Tool, asked: dict[str, Any]) -> Request:
    return Request(f"{request.instance.slug}_{read.name}", asked, str(request.customer_id))


def _decided(decision: Decision, request: ApprovalRequest) -> Decision:
    if decision.refusal is not None:
        raise _NoPreview(NOT_ALLOWED.format(decision.refusal.message))
    shows = f"to show what request {request.pk} would change"
    return decision.passed(Gate.DISPATCH, shows)


def _requester(request: ApprovalRequest) -> ActingPrincipal | None:
    """As the agent through which it was asked, if it was one."""
    found = known_principals([request.requester_id]).get(request.requester_id)
    return dataclasses.replace(found, agent_session_id=request.agent_session_id) if found else None


def _written(call: ToolCall, decision: Decision, request: ApprovalRequest) -> ToolCall:
    """With its event and its reservation, as the gateway writes them."""
    resolved = decision.resolved
    if resolved.entitlement is None or resolved.customer is None:
        raise LookupError("gates out of order")
    with signed_transaction(Context(acting_tenant())) as db:
        written = db.ask(_INSERT, *values_of(call))
        event = queue_record(
            db, EventKind.CALL_INTENDED, actor=call.actor(), subject=("tool_call", call.pk, call.tool),
            customer_id=call.customer_id, result="ok", call=call.ref,
            body={
                **as_recorded(call), "code": "", "connector": call.connector, "gate": "",
                "preview_of": str(request.pk), "verdicts": [f"{each.gate}=ok" for each in decision.verdicts],
            },
        )  # fmt: skip
        counted = one(reserve_call(db, resolved.entitlement, resolved.customer))
        if counted is None or counted[1] is None:
            raise _NoPreview(NOT_COUNTED)
        if one(written) is None:
            raise AuditUnavailable
        event.confirm()
    return call


def _call(
    request: ApprovalRequest, decision: Decision, principal: ActingPrincipal | None, asked: dict[str, Any]
) -> ToolCall:
    resolved = decision.resolved
    if resolved.tool is None or resolved.instance is None or principal is None:
        raise LookupError("gates out of order")
    return ToolCall(
        tenant_id=request.tenant_id, principal_id=request.requester_id, principal_kind=request.requester_kind,
        principal_label=request.requester_label, agent_session_id=request.agent_session_id,
        roles=sorted(roles_for(principal, request.customer_id)),
        customer_id=request.customer_id, instance=resolved.instance, connector=request.connector,
        tool=resolved.tool.name, arguments=asked,
        arguments_digest=call_digest(f"{resolved.instance.slug}_{resolved.tool.name}", asked),
        state=ToolCall.State.QUEUED, verdicts=decision.as_json(),
    )  # fmt: skip
