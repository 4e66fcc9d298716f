"""Requests for approval."""

from datetime import UTC, datetime, timedelta

from django.db import transaction

from approvals.models import ApprovalRequest
from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from connectors.models import ToolCall

OPEN_FOR = timedelta(hours=24)


@transaction.atomic
def request_approval(call: ToolCall) -> ApprovalRequest:
    """The request that waits for exactly this call of this principal; asking again finds it."""
    now = datetime.now(UTC)
    waiting = ApprovalRequest.objects.filter(
        requester_id=call.principal_id, digest=call.arguments_digest, customer=call.customer,
        state=ApprovalRequest.State.PENDING,
    )  # fmt: skip
    waiting.filter(expires_at__lte=now).update(state=ApprovalRequest.State.EXPIRED)
    found = waiting.first()
    return found or _create(call, now)


def _create(call: ToolCall, now: datetime) -> ApprovalRequest:
    request = ApprovalRequest.objects.create(
        customer=call.customer,
        requester_id=call.principal_id,
        requester_label=call.principal_label,
        connector=call.connector,
        tool=call.tool,
        arguments=call.arguments,
        digest=call.arguments_digest,
        expires_at=now + OPEN_FOR,
    )
    record(
        EventKind.APPROVAL_REQUESTED,
        actor=Actor(ActorKind(call.principal_kind), call.principal_id, call.principal_label),
        subject=("approval_request", request.id, call.tool),
        customer_id=call.customer_id,
        body={"digest": call.arguments_digest},
    )
    return request
