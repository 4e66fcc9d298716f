"""The broker makes a reported use of a held grant into the records of a call: its row, its events, its usage.

What ran has run: a use that should not have been is recorded like any other, and is an alert as well.
"""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import DatabaseError, transaction

from approvals.held.agents import actor_of
from approvals.held.channel import USE
from approvals.held.issuing import TYPE, bound_of
from approvals.held.models import GrantUse, HeldGrant
from approvals.held.playbooks import Step, steps_of
from approvals.held.terms import moment_of
from approvals.models import ApprovalRequest
from audit.kinds import EventKind
from audit.services import Queued, queue_record
from billing.models import UsageEvent
from billing.services import meter_call, reserve_call
from connectors.arguments import call_digest
from connectors.compact import encoded, opened
from connectors.models import ToolCall
from connectors.signing import believed
from identity.services.authority import whole_tenant
from tenants.isolation.context import Context, acting_tenant
from tenants.isolation.statements import Signed, insertion, one, signed_transaction, values_of
from tenants.models import Customer, Entitlement

OUTCOMES = {
    "succeeded": ToolCall.State.SUCCEEDED, "failed": ToolCall.State.FAILED, "unknown": ToolCall.State.UNKNOWN,
}  # fmt: skip
_ADD = insertion(ToolCall)
_SETTLE = (
    "UPDATE approvals_grantuse SET state = 'settled', outcome = %s, finding = %s, call_id = %s, settled_at = %s"
    " WHERE tenant_id = %s AND id = %s AND state = 'received' RETURNING true"
)
_COUNT = (
    "UPDATE approvals_heldgrant SET used = used + 1,"
    " state = CASE WHEN used + 1 >= uses AND state IN ('held', 'expired') THEN 'used' ELSE state END"
    " WHERE tenant_id = %s AND id = %s RETURNING used"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What a use says of itself. Moments are None where they are not told."""

    number: int
    outcome: ToolCall.State
    claimed_at: datetime | None
    finished_at: datetime | None
    claims: Mapping[str, Any]


def settle(use_id: UUID) -> None:
    """Once: of two at the same moment the second finds it settled."""
    with whole_tenant(), transaction.atomic():
        rows = GrantUse.objects.select_related("agent__asset", "grant__request", "grant__instance", "customer")
        use = rows.filter(id=use_id, state=GrantUse.State.RECEIVED).first()
    if use is None:
        return
    claims = opened(use.evidence, USE, [Ed25519PublicKey.from_public_bytes(bytes(use.agent.key))])
    told = _told(use, claims or {})
    finding = _finding(use, told, signed=claims is not None)
    try:
        with signed_transaction(Context(acting_tenant())) as db:
            _write(db, use, told, finding)
    except _Settled:
        return


class _Settled(Exception):
    pass


def _told(use: GrantUse, claims: Mapping[str, Any]) -> Told:
    outcome = OUTCOMES.get(str(claims.get("outcome")), ToolCall.State.UNKNOWN)
    return Told(use.number, outcome, _moment(claims.get("claimed_at")), _moment(claims.get("finished_at")), claims)


def _moment(seconds: Any) -> datetime | None:
    return moment_of(seconds) if type(seconds) is int and 0 <= seconds < 2**33 else None


def _finding(use: GrantUse, told: Told, *, signed: bool) -> str:
    """What does not fit, as a code; empty, if everything does."""
    grant = use.grant
    if grant is None:
        return "unknown_grant"
    granted = opened(grant.token, TYPE, believed())
    if granted is None or not signed or granted.get("jti") != str(grant.pk):
        return "not_signed"
    if bound_of(granted) != granted["bound"] or not _is_of(granted, told.claims):
        return "another_action"
    return _untimely(grant, granted, told)


def _is_of(granted: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """The same as the verifier of packs asks for: what is not so is in a pack only as a finding."""
    same = all(claims.get(name) == granted.get(name) for name in ("agent", "asset", "bound", "nonce", "tenant"))
    number, steps = claims.get("step", 1), granted.get("steps", [granted])
    known = type(number) is int and 1 <= number <= len(steps)
    return same and known and claims.get("tool") == steps[number - 1].get("tool")


def _untimely(grant: HeldGrant, granted: Mapping[str, Any], told: Told) -> str:
    at = told.claimed_at
    if not 1 <= told.number <= granted["uses"]:
        return "too_many_uses"
    if at is None or not moment_of(granted["nbf"]) <= at < moment_of(granted["exp"]):
        return "outside_window"
    if grant.revoked_at and at >= grant.revoked_at.replace(microsecond=0):
        return "after_revocation"
    return ""


def _write(db: Signed, use: GrantUse, told: Told, finding: str) -> None:
    """All of it, or nothing."""
    grant = use.grant
    call = _call(use, grant, grant.request, told) if grant else None
    outcome = told.outcome.value if call else ""
    now = datetime.now(UTC)
    settled = db.ask(_SETTLE, outcome, finding, call.pk if call else None, now, acting_tenant(), use.pk)
    if one(settled) is None:
        raise _Settled
    if call is not None and grant is not None:
        _write_call(db, use, grant, call)
    _say(db, EventKind.GRANT_USED, use, call, finding).confirm()
    if finding:
        _say(db, EventKind.GRANT_MISUSED, use, call, finding).confirm()


def _write_call(db: Signed, use: GrantUse, grant: HeldGrant, call: ToolCall) -> None:
    """As of every other call: intent, outcome, and usage where the work was done."""
    added = db.ask(_ADD, *values_of(call))
    counted = db.ask(_COUNT, acting_tenant(), grant.pk) if use.step == 1 else None
    intent = _record(db, EventKind.CALL_INTENDED, call, "ok", _intent(use, grant, call))
    finished = _record(db, *_ending(call, use))
    answers = [each for each in (added, counted) if each is not None]
    if call.state == ToolCall.State.SUCCEEDED:
        # It was done already: no limit of the plan or of the customer refuses it now.
        anyone = Customer(id=grant.customer_id, monthly_calls=None)
        taken = Entitlement(connector=call.connector, included_calls=0, overage_allowed=True)
        answers += [meter_call(db, _usage(call, finished.at)), reserve_call(db, taken, anyone)]
    for answer in answers:
        if one(answer) is None:
            raise DatabaseError("The use of a grant could not be written.")
    intent.confirm()
    finished.confirm()


def _call(use: GrantUse, grant: HeldGrant, request: ApprovalRequest, told: Told) -> ToolCall:
    """Of the requester, whose grant it was; the agent is in its verdicts and events."""
    ok, done = told.outcome == ToolCall.State.SUCCEEDED, _step(use, request)
    return ToolCall(
        tenant_id=use.tenant_id, principal_id=request.requester_id, principal_kind=request.requester_kind,
        principal_label=request.requester_label, roles=request.roles, approval_id=request.pk,
        agent_session_id=request.agent_session_id, customer_id=grant.customer_id, instance=grant.instance,
        connector=grant.connector, tool=done.tool, arguments=dict(done.arguments),
        arguments_digest=call_digest(f"{grant.instance.slug}_{done.tool}", done.arguments), state=told.outcome,
        gate="" if ok else "execute", code="" if ok else _CODES[told.outcome], verdicts=_verdicts(use, told, ok=ok),
        started_at=told.claimed_at, finished_at=told.finished_at or datetime.now(UTC),
    )  # fmt: skip


def _step(use: GrantUse, request: ApprovalRequest) -> Step:
    """What was done. Of a step that there is not, the first: it is a finding, and people look."""
    steps = steps_of(request)
    return steps[use.step - 1] if use.step <= len(steps) else steps[0]


_CODES = {ToolCall.State.FAILED: "host_action_failed", ToolCall.State.UNKNOWN: "outcome_unknown"}


def _verdicts(use: GrantUse, told: Told, *, ok: bool) -> list[dict[str, Any]]:
    host = use.agent.asset.name
    said = f"Exit code {told.claims.get('exit_code')} at {host}" if told.outcome != ToolCall.State.UNKNOWN else (
        f"{host} went away while it ran, so nobody knows what became of it"
    )  # fmt: skip
    which = f"Use {use.number} of a pre-issued grant"
    several = len(steps_of(use.grant.request)) if use.grant else 1
    return [
        {
            "gate": "check_approval",
            "ok": True,
            "code": "",
            "detail": f"{which}, step {use.step} of {several}" if several > 1 else which,
        },
        {"gate": "execute", "ok": ok, "code": "" if ok else _CODES[told.outcome], "detail": said},
    ]


def _intent(use: GrantUse, grant: HeldGrant, call: ToolCall) -> dict[str, Any]:
    return {
        "approval_request": str(call.approval_id), "arguments_digest": call.arguments_digest, "code": "",
        "connector": call.connector, "gate": "",
        "token": f"{grant.nonce}/{use.number}{f'/{use.step}' if use.step > 1 else ''}",
        "verdicts": [f"{each['gate']}=ok" for each in call.verdicts[:1]],
    }  # fmt: skip


def _ending(call: ToolCall, use: GrantUse) -> tuple[EventKind, ToolCall, str, dict[str, Any]]:
    lost = call.state == ToolCall.State.UNKNOWN
    ok = call.state == ToolCall.State.SUCCEEDED
    body = {
        "alert": lost, "billed": ok, "code": call.code, "connector": call.connector, "requests": [],
        "rows_returned": None, "state": ToolCall.State(call.state).value, "vendor_bytes": 0, "vendor_requests": 0,
        "agent_key": encoded(bytes(use.agent.key)), "evidence": use.evidence,
    }  # fmt: skip
    return (EventKind.CALL_UNKNOWN if lost else EventKind.CALL_FINISHED), call, "ok" if ok else "failed", body


def _record(db: Signed, kind: EventKind, call: ToolCall, result: str, body: dict[str, Any]) -> Queued:
    return queue_record(
        db, kind, actor=call.actor(), subject=("tool_call", call.pk, call.tool), customer_id=call.customer_id,
        result=result, body=body, call=call.ref,
    )  # fmt: skip


def _say(db: Signed, kind: EventKind, use: GrantUse, call: ToolCall | None, finding: str) -> Queued:
    """That it was used, by its agent; and, beside it, what was wrong about that."""
    label = call.tool if call else ""
    body = {
        "agent": str(use.agent_id), "agent_key": encoded(bytes(use.agent.key)), "evidence": use.evidence,
        "finding": finding, "number": use.number,
        "step": use.step, "nonce": use.grant.nonce if use.grant else "",
        "outcome": ToolCall.State(call.state).value if call else "",
        "request": str(use.grant.request_id) if use.grant else "",
    }  # fmt: skip
    return queue_record(
        db, kind, actor=actor_of(use.agent), subject=("held_grant", use.grant_ref, label),
        customer_id=use.customer_id, result="refused" if finding else "ok", body=body, call=call.ref if call else None,
    )  # fmt: skip


def _usage(call: ToolCall, now: datetime) -> UsageEvent:
    if call.customer_id is None:
        raise LookupError("a grant is for a customer")
    return UsageEvent(
        id=call.pk, customer_id=call.customer_id, occurred_at=now, connector=call.connector, tool=call.tool,
        principal_id=call.principal_id, vendor_requests=0, recorded_at=now,
    )  # fmt: skip
