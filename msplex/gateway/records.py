"""What is written down of one tools/call: its row, its audit event and its reservation, in one transaction."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError

from audit.actors import ActorKind
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.services import Queued, queue_record
from billing.services import release_call, reserve_call
from connectors.arguments import call_digest
from connectors.models import ToolCall
from msplex.decision.gates import roles_for
from msplex.decision.verdicts import Decision, Request
from msplex.gateway.callers import Caller, Seen, Waiter
from msplex.gateway.repeating import KeyHeld, hold
from msplex.recorded import as_recorded
from tenants.isolation.context import acting_for
from tenants.isolation.pipeline import Row
from tenants.isolation.statements import Signed, insertion, one, signed_transaction, values_of

ARGUMENTS_BYTES = 16 * 1024
_INSERT = insertion(ToolCall)
_REFUSE = (
    "UPDATE connectors_toolcall SET state = 'refused', gate = %s, code = %s, verdicts = %s"
    " WHERE tenant_id = %s AND id = %s AND state = 'queued' RETURNING true"
)


# The approval is taken with the call that takes it, and by one: of many at the same moment the others find it gone.
_TAKE = (
    "UPDATE approvals_approvalrequest SET state = 'executing', call_id = %s"
    " WHERE tenant_id = %s AND id = %s AND state = 'approved' AND execute_by > now() RETURNING true"
)
_GIVE_BACK = (
    "UPDATE approvals_approvalrequest SET state = 'approved', call_id = NULL"
    " WHERE tenant_id = %s AND id = %s AND call_id = %s AND state = 'executing' RETURNING true"
)


class ApprovalGone(Exception):
    """Somebody took the approval, or it ended, since it was seen; nothing was written."""


class QuotaGone(Exception):
    """Somebody took the last included call since the decision saw it; nothing was written."""


class ShareGone(Exception):
    """The customer's calls of this month are used up; nothing was written."""


class Overtaken(Exception):
    """The broker has the call already; nothing was written."""


def write_call(caller: Caller, seen: Seen, decision: Decision, call: ToolCall, key: str | None = None) -> None:
    """A decided call, which holds `key` from now on if it is sent.

    QuotaGone, ShareGone, ApprovalGone, KeyHeld: what it needs is gone; AuditUnavailable if it cannot be written.
    """
    call.verdicts, call.gate = decision.as_json(), decision.gate
    call.code = decision.refusal.code if decision.refusal else ""
    call.state = ToolCall.State.REFUSED if decision.refusal else ToolCall.State.QUEUED
    entitlement, customer = decision.resolved.entitlement, decision.resolved.customer
    with _recording(), acting_for(seen.context), signed_transaction(seen.context) as db:
        written = db.ask(_INSERT, *values_of(call))
        taken = db.ask(_TAKE, call.id, call.tenant_id, call.approval_id) if call.approval_id else None
        holding = hold(db, call, key) if key and not decision.refusal else None
        event = _record(db, caller, call, decision)
        # Last: the counter is one row for all calls of the tenant, and is locked until the commit.
        sent = decision.allowed and entitlement and customer
        reserved = reserve_call(db, entitlement, customer) if sent else None  # type: ignore[arg-type]
        if taken is not None and one(taken) is None:
            raise ApprovalGone
        if holding is not None and one(holding) is None:
            raise KeyHeld
        if reserved is not None:
            _check(one(reserved))
        if one(written) is None:
            raise AuditUnavailable
        event.confirm()


def _check(counted: Row | None) -> None:
    """The plan's count and the customer's."""
    if counted is None:
        raise QuotaGone
    if counted[1] is None:
        raise ShareGone


@contextmanager
def _recording() -> Iterator[None]:
    """The call's row, its event and its reservation are one record: whichever of them fails, there is none."""
    try:
        yield
    except DatabaseError as error:
        raise AuditUnavailable from error


def write_refusal(caller: Caller, seen: Seen, decision: Decision, call: ToolCall) -> None:
    """Of a call that could not be handed over, with its reservation given back. Overtaken when it was, after all."""
    with _recording(), acting_for(seen.context), signed_transaction(seen.context) as db:
        code = decision.refusal.code if decision.refusal else ""
        changed = db.ask(_REFUSE, decision.gate, code, json.dumps(decision.as_json()), call.tenant_id, call.id)
        released = release_call(db, call.connector, call.customer_id, call.created_at)
        back = db.ask(_GIVE_BACK, call.tenant_id, call.approval_id, call.id) if call.approval_id else None
        event = _record(db, caller, call, decision)
        if one(changed) is None:
            raise Overtaken
        one(released)
        if back is not None:
            one(back)
        event.confirm()


def call_of(caller: Caller, seen: Seen, request: Request, decision: Decision, waiter: Waiter) -> ToolCall:
    resolved, principal = decision.resolved, seen.principal
    arguments = _storable(request.arguments or {})
    return ToolCall(
        tenant_id=caller.claims.tenant_id,
        request_id=caller.request_id,
        principal_id=caller.claims.principal_id,
        principal_kind=(ActorKind.AGENT if caller.claims.agent_session_id else ActorKind.SERVICE_ACCOUNT).value,
        principal_label=principal.label if principal else caller.claims.client_id[:200],
        roles=sorted(roles_for(principal, resolved.customer.id)) if principal and resolved.customer else [],
        agent_session_id=caller.claims.agent_session_id,
        customer=resolved.customer,
        instance=resolved.instance,
        connector=resolved.connector.key if resolved.connector else "",
        tool=resolved.tool.name if resolved.tool else request.tool,
        arguments=arguments,
        arguments_digest=call_digest(request.tool, arguments),
        reply_to=waiter.name,
        reply_key=waiter.public_key,
    )


def _record(db: Signed, caller: Caller, call: ToolCall, decision: Decision) -> Queued:
    return queue_record(
        db,
        EventKind.CALL_REFUSED if decision.refusal else EventKind.CALL_INTENDED,
        actor=call.actor(caller.address),
        subject=("tool_call", call.id, call.tool),
        customer_id=call.customer_id,
        result="refused" if decision.refusal else "ok",
        body={
            **({"approval_request": str(call.approval_id)} if call.approval_id else {}),
            **as_recorded(call),
            "code": decision.refusal.code if decision.refusal else "",
            "connector": call.connector,
            "gate": decision.gate,
            "token": caller.claims.token_id,
            "verdicts": [f"{verdict.gate}={'ok' if verdict.ok else verdict.code}" for verdict in decision.verdicts],
        },
        call=call.ref,
    )


def _storable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for the record; those of a refused call may be anything that JSON can say."""
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        if len(text.encode()) <= ARGUMENTS_BYTES and "\\u0000" not in text:
            return dict(arguments)
    except (UnicodeEncodeError, ValueError):
        pass
    return {"not_kept": "too long, or not text that can be stored"}
