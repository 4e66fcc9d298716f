"""Requests for approval, and what people do about them. One state machine; docs/approvals.md draws it."""

import dataclasses
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from jsonschema import Draft202012Validator

from approvals.binding import digest_of, fingerprint_of, imported_of, shown_digest, tool_digest_of, words_of
from approvals.errors import NotOpen, NotYours, ReasonNeeded
from approvals.models import OPEN_STATES, ApprovalRequest, Comment, Preview
from approvals.notifications.declared import KINDS
from approvals.policy import Ruling
from approvals.quorum import Voter
from approvals.tasks import issue_grant, read_effects, tell_soon
from audit.actors import Actor, ActorKind, system
from audit.kinds import EventKind
from audit.services import record
from connectors.catalogue import find
from connectors.models import ToolCall
from connectors.selectors import mapping_for
from identity.models import ServiceAccount
from identity.principals import ActingPrincipal
from identity.services.authority import whole_tenant
from tenants.errors import Invalid, NotFound


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """`customers`: a line for each (approvals.binding.place_of). `own`: the id of the one request."""

    id: UUID
    own: UUID
    customers: list[list[str]]


DECIDE_WITHIN = timedelta(hours=24)
EXECUTE_WITHIN = timedelta(minutes=15)
REJECTION_STANDS = timedelta(hours=1)  # the same call is not asked again so soon after somebody said no
LONGEST_COMMENT = 1000
VOID = "approval_void"
CLOCK = system("approval expiry")
State = ApprovalRequest.State
Terms = Mapping[str, Any]


@transaction.atomic
def request_approval(
    call: ToolCall, said: Ruling, *, reason: str = "", ticket: str = "", terms: Terms | None = None
) -> ApprovalRequest:
    """The open request for exactly this call of this caller, or the one that was just rejected; else a new one.

    `terms`: it is asked for a grant to be held in advance instead (approvals.held).
    """
    asked = Asked(reason, ticket, terms, datetime.now(UTC))
    return (
        standing_for(call, asked).order_by("-id").first()
        or create(call, said, asked)
        or standing_for(call, asked).get()
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What is told with a request. `batch`: of which it is one, with its id (approvals.batches)."""

    reason: str = ""
    ticket: str = ""
    terms: Terms | None = None
    now: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))
    batch: Batch | None = None


def standing_for(call: ToolCall, asked: Asked) -> Any:
    """What stands for exactly this call: open, or rejected a moment ago."""
    same = _same(call, asked.terms)
    expire(same.filter(state__in=OPEN_STATES).select_for_update(), asked.now)
    return same.filter(Q(state__in=OPEN_STATES) | Q(state=State.REJECTED, ended_at__gt=asked.now - REJECTION_STANDS))


def _same(call: ToolCall, terms: Terms | None) -> Any:
    """What the person asked for in the portal holds for each of their agents; what an agent asked for, for it alone."""
    if call.customer_id is None:
        raise LookupError("gates out of order")
    sessions = Q(agent_session_id=None) | Q(agent_session_id=call.agent_session_id)
    return ApprovalRequest.objects.filter(
        sessions, requester_id=call.principal_id, customer_id=call.customer_id,
        fingerprint=_fingerprint(call, terms),
    )  # fmt: skip


def _fingerprint(call: ToolCall, terms: Terms | None) -> str:
    if call.instance_id is None:
        raise LookupError("gates out of order")
    return fingerprint_of(call.instance_id, call.tool, call.arguments, terms)


def create(call: ToolCall, said: Ruling, asked: Asked) -> ApprovalRequest | None:
    """None when the same call at the same moment was first: the constraint lets one be open."""
    request = _drawn_up(call, said, asked)
    ApprovalRequest.objects.bulk_create([request], ignore_conflicts=True)
    if not ApprovalRequest.objects.filter(id=request.pk).exists():
        return None
    body = {
        **facts(request), "need": request.need, "factors": list(request.factors), "reason": request.reason,
        "ticket": request.ticket, "words": words_of(shown_digest(request)), "decide_by": _instant(request.decide_by),
        **({"held": request.terms} if request.terms else {}),
    }  # fmt: skip
    record_about(EventKind.APPROVAL_REQUESTED, request, call.actor(), body, call=call)
    if request.preview:
        read_effects.delay_on_commit(str(request.pk))
    return request


def _drawn_up(call: ToolCall, said: Ruling, asked: Asked) -> ApprovalRequest:
    if call.instance is None or call.customer is None:
        raise LookupError("gates out of order")
    mapping, terms, now = mapping_for(call.instance, call.customer), asked.terms, asked.now
    request = ApprovalRequest(
        tenant_id=call.tenant_id, customer=call.customer, instance=call.instance, requester_id=call.principal_id,
        requester_kind=call.principal_kind, requester_label=call.principal_label,
        agent_session_id=call.agent_session_id, answerable_id=_answerable(call), roles=call.roles,
        connector=call.connector, tool=call.tool, arguments=call.arguments, terms=dict(terms or {}),
        preview={} if terms else _looked_at_by(call),
        fingerprint=_fingerprint(call, terms),
        external_id=mapping.external_id if mapping else "",
        tool_digest=tool_digest_of(call.connector, call.tool, imported_of(call.instance)),
        policy_rule=said.rule.id if said.rule else None, policy_version=said.rule.version if said.rule else "1",
        need=max(said.approvers, 1), factors=list(said.factors), nonce=secrets.token_hex(16), created_at=now,
        decide_by=now + DECIDE_WITHIN, reason=asked.reason[:500], ticket=asked.ticket[:100],
    )  # fmt: skip
    if asked.batch:
        request.pk, request.batch_id, request.batch = (
            asked.batch.own,
            asked.batch.id,
            {"customers": asked.batch.customers},
        )
    request.digest = digest_of(
        request, arguments=request.arguments, external_id=request.external_id, tool_digest=request.tool_digest
    )
    return request


def _looked_at_by(call: ToolCall) -> dict[str, Any]:
    """The reads that show what it would change, as its connector declares them."""
    connector = find(call.connector)
    tool = connector.tool(call.tool) if connector else None
    if tool is None or tool.preview is None or not Draft202012Validator(tool.input_schema).is_valid(call.arguments):
        return {}
    shown = tool.preview
    return {"tool": shown.read.name, "does": shown.does, "reads": shown.reads(call.arguments)}


def _answerable(call: ToolCall) -> UUID:
    """The person behind the caller: an agent's, or whoever answers for the automation."""
    if call.principal_kind != ActorKind.SERVICE_ACCOUNT:
        return call.principal_id
    with whole_tenant():
        owner = ServiceAccount.objects.filter(id=call.principal_id).values_list("owner_id", flat=True).first()
    return owner or call.principal_id


@transaction.atomic
def withdraw(request: ApprovalRequest, *, principal: ActingPrincipal, by: Actor) -> ApprovalRequest:
    """By whoever asked, or answers for who asked, until it runs. Of several customers: what does not run yet."""
    found, undone = locked_together(request)
    if principal.id not in {found.requester_id, found.answerable_id}:
        raise NotYours
    if found.state not in {State.PENDING, State.APPROVED}:
        raise NotOpen(found.get_state_display())
    for each in undone:
        end(each, State.WITHDRAWN)
        record_about(EventKind.APPROVAL_WITHDRAWN, each, by, facts(each))
    return found


@transaction.atomic
def comment(request: ApprovalRequest, text: str, *, by: Actor) -> Comment:
    text = text.strip()
    if not 0 < len(text) <= LONGEST_COMMENT or by.id is None:
        raise Invalid(f"Write up to {LONGEST_COMMENT} characters.", field="text", code="text_invalid")
    made = Comment.objects.create(
        request=request, customer_id=request.customer_id, author_id=by.id, author_label=by.label, text=text
    )
    record_about(EventKind.APPROVAL_COMMENTED, request, by, {"comment": text, "digest": request.digest})
    return made


@transaction.atomic
def void(request: ApprovalRequest, because: str, *, by: Actor = CLOCK) -> ApprovalRequest:
    """What was approved is not what would run, or not enough people stand behind it any more."""
    found = locked(request.pk)
    if found.state not in {State.PENDING, State.APPROVED}:
        return found
    end(found, State.FAILED, code=VOID, because=because)
    record_about(EventKind.APPROVAL_VOIDED, found, by, {**facts(found), "because": because}, result="refused")
    return found


def expire(rows: Iterable[ApprovalRequest], now: datetime) -> int:
    """Those of the locked rows whose clock has run out: nobody decided, or nobody ran it in time."""
    late = [row for row in rows if _is_late(row, now)]
    for row in late:
        because = "Nobody ran it in time." if row.state == State.APPROVED else "Not decided in time."
        end(row, State.EXPIRED, because=because)
        record_about(EventKind.APPROVAL_EXPIRED, row, CLOCK, {**facts(row), "because": because})
    return len(late)


def _is_late(row: ApprovalRequest, now: datetime) -> bool:
    by = {State.PENDING: row.decide_by, State.APPROVED: row.execute_by}.get(State(row.state))
    return by is not None and by <= now


@transaction.atomic
def expire_late_requests(now: datetime | None = None) -> int:
    """Of the acting tenant; for the sweep."""
    now = now or datetime.now(UTC)
    late = Q(state=State.PENDING, decide_by__lte=now) | Q(state=State.APPROVED, execute_by__lte=now)
    return expire(ApprovalRequest.objects.filter(late).select_for_update(skip_locked=True)[:1000], now)


@transaction.atomic
def count_pending() -> int:
    """Of the acting tenant; for the sweep."""
    return ApprovalRequest.objects.filter(state=State.PENDING).count()


def locked_together(request: ApprovalRequest) -> tuple[ApprovalRequest, list[ApprovalRequest]]:
    """Locked: the request, and all that are decided about at once, as far as they do not run.

    Those in one order, whichever of them somebody has opened, so two who vote at once do not wait for each other.
    """
    if request.batch_id is None:
        found = locked(request.pk)
        return found, [found]
    rows = ApprovalRequest.objects.select_for_update(of=("self",)).select_related("instance").order_by("id")
    undone = list(rows.filter(batch_id=request.batch_id, state__in=(State.PENDING, State.APPROVED)))
    return next((each for each in undone if each.pk == request.pk), None) or locked(request.pk), undone


def locked(request_id: UUID) -> ApprovalRequest:
    found = ApprovalRequest.objects.select_for_update(of=("self",)).select_related("instance").filter(id=request_id)
    request = found.first()
    if request is None:
        raise NotFound
    return request


def end(request: ApprovalRequest, state: ApprovalRequest.State, *, code: str = "", because: str = "") -> None:
    request.state, request.code, request.because = state, code, because[:500]
    request.ended_at = datetime.now(UTC)
    request.save(update_fields=["state", "code", "because", "ended_at"])


def reach_quorum(request: ApprovalRequest, said: Ruling, voters: list[Voter], by: Actor) -> None:
    """Enough people agree: from here on the call may be made once, within EXECUTE_WITHIN."""
    now = datetime.now(UTC)
    request.state, request.approved_at, request.execute_by = State.APPROVED, now, now + EXECUTE_WITHIN
    request.save(update_fields=["state", "approved_at", "execute_by"])
    record_about(EventKind.APPROVAL_QUORUM, request, by, quorum_facts(request, said, voters))
    if request.terms:
        issue_grant.delay_on_commit(str(request.pk))


def quorum_facts(request: ApprovalRequest, said: Ruling, voters: list[Voter]) -> dict[str, Any]:
    """What the verifier replays: how many and which roles, who, by what, and both clocks (docs/verifying.md)."""
    rule = {"rule": str(said.rule.id), "version": said.rule.version} if said.rule else {"rule": "", "version": "1"}
    need = max(request.need, said.approvers)
    return {
        **facts(request),
        "event_type": "emergency_quorum_approved",
        "policy_now": rule,
        "effects": effects_digest(request),
        "quorum": {"need": need, "factors": sorted({*request.factors, *said.factors})},
        "requester": str(request.requester_id),
        "answerable": str(request.answerable_id),
        "decide_by": _instant(request.decide_by),
        "approved_at": _instant(request.approved_at),
        "execute_by": _instant(request.execute_by),
        "votes": [
            {
                "approver": str(voter.id), "approver_label": voter.label, "roles": sorted(voter.roles),
                "factor": voter.factor, "at": voter.voted_at,
            }
            for voter in voters
        ],
    }  # fmt: skip


def facts(request: ApprovalRequest) -> dict[str, Any]:
    """Of a batch its digest and how many customers it has; which they are is not for each other's eyes."""
    batch = (
        {"batch": {"count": len(request.batch["customers"]), "digest": shown_digest(request)}} if request.batch else {}
    )
    return {
        **batch,
        "digest": request.digest,
        "nonce": request.nonce,
        "policy": {"rule": str(request.policy_rule or ""), "version": request.policy_version},
    }


def effects_digest(request: ApprovalRequest) -> str:
    """Of what people were shown of what it would change; empty, if nothing could be shown."""
    return Preview.objects.filter(request=request).values_list("digest", flat=True).first() or ""


def check_reason(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= 500:  # noqa: PLR2004 - the column's length
        raise ReasonNeeded
    return reason


def _instant(moment: datetime | None) -> str:
    return moment.isoformat(timespec="microseconds") if moment else ""


def record_about(
    kind: EventKind, request: ApprovalRequest, by: Actor, body: dict[str, Any], *, result: str = "ok",
    call: ToolCall | None = None,
) -> None:  # fmt: skip
    subject = ("approval_request", request.pk, request.tool)
    event = record(
        kind, actor=by, subject=subject, customer_id=request.customer_id, result=result, body=body,
        call=call.ref if call else None,
    )  # fmt: skip
    if kind in KINDS:
        tell_soon.delay_on_commit(event_id=str(event))
