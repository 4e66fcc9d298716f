"""The preview of a request: begun and settled by the broker, once, before anybody may vote; or there is none.

Nobody votes while it is being read, so all see the same. What is not read within SETTLE counts as not there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.effects.models import Preview
from approvals.models import ApprovalRequest
from approvals.services import facts, locked, record_about
from audit.actors import system
from audit.kinds import EventKind
from connectors.effects import digest_of

READER = system("preview of a request")
WAIT = timedelta(seconds=30)  # for so long nobody votes without it
SETTLE = timedelta(seconds=25)  # later it is not taken any more: somebody's clock may be ahead
LATE = "It could not be read in time."
State = Preview.State


def is_waited_for(request: ApprovalRequest, found: Preview | None, now: datetime | None = None) -> bool:
    """It may come yet, so nobody votes without it."""
    if not request.preview or (found is not None and found.state != State.READING):
        return False
    return (now or datetime.now(UTC)) < request.created_at + WAIT


@transaction.atomic
def begin(request_id: UUID) -> Preview | None:
    """By the broker. None: somebody has begun it, or it is too late."""
    request = locked(request_id)
    late = datetime.now(UTC) >= request.created_at + SETTLE
    if not request.preview or request.state != ApprovalRequest.State.PENDING or late:
        return None
    made = Preview(request=request, customer_id=request.customer_id)
    Preview.objects.bulk_create([made], ignore_conflicts=True)
    return Preview.objects.select_related("request__instance", "request__customer").filter(id=made.pk).first()


@transaction.atomic
def settle(preview: Preview, objects: Sequence[dict[str, Any]], calls: Sequence[UUID], why: str = "") -> bool:
    """By the broker, while nobody can vote. `why`: there is none. False: too late."""
    request = locked(preview.request_id)
    now = datetime.now(UTC)
    in_time = now < request.created_at + SETTLE and request.state == ApprovalRequest.State.PENDING
    if not in_time:
        why = LATE
    preview.state, preview.why, preview.read_at = (State.NONE if why else State.READ), why[:300], now
    preview.objects_seen = [] if why else list(objects)
    preview.digest = "" if why else digest_of(objects)
    preview.calls = [str(call) for call in calls]
    preview.save(update_fields=["state", "why", "read_at", "objects_seen", "digest", "calls"])
    body = {**facts(request), "calls": preview.calls, "objects": preview.objects_seen, "why": preview.why,
            "effects": preview.digest}  # fmt: skip
    record_about(EventKind.APPROVAL_PREVIEWED, request, READER, body, result="failed" if why else "ok")
    return not why
