"""The broker's part: it believes no state, and finds out itself whether people have approved what it is about to send.

In the transaction that claims the call it reads the request, the votes and what the voters may do now, makes the digest
again of the call's own bytes, and writes one signed ExecutionGrant. A second one for the same request, or with the same
nonce, cannot be written, and no other role may write one: this is what makes it run at most once.
"""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from approvals.binding import IMPORTED, digest_of, is_placed, tool_digest_of
from approvals.models import ApprovalRequest, ExecutionGrant, Preview, Vote
from approvals.quorum import Voter, missing, voter_of
from approvals.services import VOID
from audit.canonical import canonical
from audit.kinds import EventKind
from audit.services import Queued, queue_record
from connectors.models import ToolCall
from connectors.signing import sign
from identity.errors import PrincipalRefused
from identity.selectors import principal_of
from tenants.isolation.context import acting_tenant, current
from tenants.isolation.statements import Signed, columns, insertion, made, one, values_of

GRANT = "msplex/execution-grant/v1"
State = ApprovalRequest.State
_REQUEST = (
    f"SELECT {columns(ApprovalRequest, 'r')} FROM approvals_approvalrequest r"  # noqa: S608
    " WHERE r.tenant_id = %s AND r.id = %s FOR UPDATE"
)
_VOTES = (
    f"SELECT {columns(Vote, 'v')}, p.kind, p.label, p.tenant_id, p.epoch, p.disabled_at, p.networks,"  # noqa: S608
    " (SELECT border.tenant_active()), b.role, b.customer_id, b.expires_at FROM approvals_vote v"
    " JOIN identity_principal p ON p.tenant_id = v.tenant_id AND p.id = v.approver_id"
    " LEFT JOIN identity_rolebinding b ON b.tenant_id = v.tenant_id AND b.principal_id = v.approver_id"
    " WHERE v.tenant_id = %s AND v.request_id = %s AND v.decision = 'approve' ORDER BY v.id"
)
_PREVIEW = (
    f"SELECT {columns(Preview, 'p')} FROM approvals_preview p"  # noqa: S608
    " WHERE p.tenant_id = %s AND p.request_id = %s AND p.state = 'read'"
)
_ONCE = insertion(ExecutionGrant).replace(" RETURNING ", " ON CONFLICT DO NOTHING RETURNING ")
_END = (
    "UPDATE approvals_approvalrequest SET state = %s, code = %s, because = %s, ended_at = %s"
    " WHERE tenant_id = %s AND id = %s AND call_id = %s AND state = 'executing' RETURNING true"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Approval:
    """Who stands behind a call; or why nobody does."""

    voters: tuple[Voter, ...] = ()
    refused: str = ""
    shown: tuple[Mapping[str, Any], ...] = ()  # the objects, as those people have seen them


UNASKED = Approval()


def grant(db: Signed, call: ToolCall, external_id: str | None) -> Approval:
    """In the transaction of the claim. AuditUnavailable and DatabaseError undo both."""
    row = one(db.ask(_REQUEST, acting_tenant(), call.approval_id))
    if row is None:
        return Approval(refused="There is no such request.")
    request = made(ApprovalRequest, row)
    imported = db.ask(IMPORTED, acting_tenant(), call.instance_id).fetchall()
    tool = tool_digest_of(call.connector, call.tool, imported)
    voters = _voters(db, request)
    why = _why_not(request, call) or _drift(request, call, external_id, tool) or _too_few(request, voters)
    if not why and not _granted(db, request, call, voters):
        why = "It was used already."
    return Approval(refused=why) if why else Approval(voters, shown=_shown(db, request))


def _shown(db: Signed, request: ApprovalRequest) -> tuple[Mapping[str, Any], ...]:
    row = one(db.ask(_PREVIEW, acting_tenant(), request.pk))
    return tuple(made(Preview, row).objects_seen) if row else ()


def end(db: Signed, call: ToolCall, state: ApprovalRequest.State, code: str, because: str) -> list[Any]:
    """With the outcome of its call, in that transaction; the answers are read before its end.

    That an approval did not hold is an event of its own.
    """
    now = datetime.now(UTC)
    asked = [db.ask(_END, state.value, code, because[:500], now, acting_tenant(), call.approval_id, call.id)]
    if code == VOID:
        body = {"because": because, "call": str(call.id)}
        asked.append(_record(db, EventKind.APPROVAL_VOIDED, call, "refused", body).cursor)
    return asked


def _record(db: Signed, kind: EventKind, call: ToolCall, result: str, body: dict[str, Any]) -> Queued:
    subject = ("approval_request", call.approval_id, call.tool)
    return queue_record(
        db, kind, actor=call.actor(), subject=subject, customer_id=call.customer_id, result=result, body=body,
        call=call.ref,
    )  # fmt: skip


def _voters(db: Signed, request: ApprovalRequest) -> tuple[Voter, ...]:
    """Those who may decide now. Who they are is not in a context of one customer, so it is widened: from here on."""
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    db.act_for(dataclasses.replace(context, customers=None))
    border = len(Vote._meta.concrete_fields)
    people: dict[Any, tuple[Vote, list[Any]]] = {}
    for row in db.ask(_VOTES, acting_tenant(), request.pk).fetchall():
        vote = made(Vote, row[:border])
        people.setdefault(vote.approver_id, (vote, []))[1].append(row[border:])
    found = (_voter(request, vote, rows) for vote, rows in people.values())
    return tuple(voter for voter in found if voter)


def _voter(request: ApprovalRequest, vote: Vote, rows: list[Any]) -> Voter | None:
    try:
        return voter_of(request, vote, principal_of(vote.approver_id, rows))
    except PrincipalRefused:
        return None


def _why_not(request: ApprovalRequest, call: ToolCall) -> str:
    """Whether this call may take it, now; empty, if it may."""
    if request.terms:
        return "It was asked for a grant to be held in advance, and not for a call."
    if request.state != State.EXECUTING or request.call_id != call.id:
        return "The request was not given to this call."
    if request.execute_by is None or datetime.now(UTC) > request.execute_by:
        return "The time to run it is over."
    return ""


def _too_few(request: ApprovalRequest, voters: tuple[Voter, ...]) -> str:
    if missing(request.need, request.factors, voters):
        return "Not enough of those who approved it may still do so."
    return ""


def _drift(request: ApprovalRequest, call: ToolCall, external_id: str | None, tool: str) -> str:
    """`tool`: the digest of what the tool is declared as now."""
    who = (call.principal_id, call.customer_id, call.instance_id, call.connector, call.tool)
    asked = (request.requester_id, request.customer_id, request.instance_id, request.connector, request.tool)
    if who != asked or request.agent_session_id not in {None, call.agent_session_id}:
        return "It is another call than the one that was approved."
    if not tool:
        return "The tool is not there any more."
    if not is_placed(request, call.arguments, external_id or ""):
        return "It is not in the set of customers that was approved, or is another action there."
    sent = digest_of(request, arguments=call.arguments, external_id=external_id or "", tool_digest=tool)
    return "" if sent == request.digest else what_changed(request, external_id or "", tool)


def what_changed(request: ApprovalRequest, external_id: str, tool: str) -> str:
    """For people, once the digest differs."""
    if external_id != request.external_id:
        return "The customer is mapped to something else at the vendor now."
    if tool != request.tool_digest:
        return "The tool itself has changed."
    return "The arguments, or the request, are not those that were approved."


def _granted(db: Signed, request: ApprovalRequest, call: ToolCall, voters: tuple[Voter, ...]) -> bool:
    now = datetime.now(UTC)
    payload = canonical({
        "ctx": GRANT, "tenant": str(request.tenant_id), "request": str(request.pk), "call": str(call.id),
        "digest": request.digest, "nonce": request.nonce, "need": request.need, "factors": sorted(request.factors),
        "voters": sorted(str(voter.id) for voter in voters), "issued_at": now.isoformat(timespec="microseconds"),
        "not_after": request.execute_by.isoformat(timespec="microseconds") if request.execute_by else "",
    })  # fmt: skip
    given = ExecutionGrant(
        tenant_id=request.tenant_id, request_id=request.pk, customer_id=request.customer_id, call_id=call.id,
        nonce=request.nonce, digest=request.digest, payload=payload.decode(), signature=sign(GRANT, payload),
        issued_at=now,
    )  # fmt: skip
    if one(db.ask(_ONCE, *values_of(given))) is None:
        return False
    body = {"grant": given.payload, "signature": given.signature.hex(), "digest": given.digest, "nonce": given.nonce}
    _record(db, EventKind.APPROVAL_GRANTED, call, "ok", body).confirm()
    return True
