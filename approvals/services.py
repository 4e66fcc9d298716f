"""Requests for approval."""

from datetime import UTC, datetime, timedelta

from django.db import transaction

from approvals.models import ApprovalRequest
from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from connectors.models import ToolCall

OPEN_FOR = timedelta(hours=24)
CLOCK = system("approval expiry")


@transaction.atomic
def request_approval(call: ToolCall) -> ApprovalRequest:
    """The request that waits for exactly this call of this principal; asking again finds it."""
    now = datetime.now(UTC)
    waiting = ApprovalRequest.objects.filter(
        requester_id=call.principal_id, digest=call.arguments_digest, customer=call.customer,
        state=ApprovalRequest.State.PENDING,
    )  # fmt: skip
    for old in waiting.filter(expires_at__lte=now).select_for_update():
        _expire(old)
    return waiting.first() or _create(call, now) or waiting.get()


def _expire(request: ApprovalRequest) -> None:
    request.state = ApprovalRequest.State.EXPIRED
    request.save(update_fields=["state"])
    subject = ("approval_request", request.id, request.tool)
    record(EventKind.APPROVAL_EXPIRED, actor=CLOCK, subject=subject, customer_id=request.customer_id)


def _create(call: ToolCall, now: datetime) -> ApprovalRequest | None:
    """None when the same call at the same moment was first: the constraint lets one wait."""
    request = ApprovalRequest(
        customer=call.customer,
        requester_id=call.principal_id,
        requester_label=call.principal_label,
        connector=call.connector,
        tool=call.tool,
        arguments=call.arguments,
        digest=call.arguments_digest,
        expires_at=now + OPEN_FOR,
    )
    ApprovalRequest.objects.bulk_create([request], ignore_conflicts=True)
    if not ApprovalRequest.objects.filter(id=request.id).exists():
        return None
    record(
        EventKind.APPROVAL_REQUESTED,
        actor=call.actor(),
        subject=("approval_request", request.id, call.tool),
        customer_id=call.customer_id,
        body={"digest": call.arguments_digest},
        call=call.ref,
    )
    return request
