"""What people and clocks do about grants that are held in advance. The broker's part: issuing.py, settling.py."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import ReasonNeeded
from approvals.held.models import GrantUse, HeldGrant
from approvals.models import ApprovalRequest
from approvals.quorum import decides
from approvals.tasks import issue_grant, settle_use
from audit.actors import Actor, system
from audit.kinds import EventKind
from audit.services import record
from identity.principals import ActingPrincipal
from tenants.errors import Conflict, NotAllowed, NotFound

CLOCK = system("grant expiry")
WAITED = timedelta(seconds=20)  # by then the broker has had its message, unless it was lost
MOST = 1000
State = HeldGrant.State


@transaction.atomic
def revoke_grant(grant: HeldGrant, *, principal: ActingPrincipal, reason: str, by: Actor) -> HeldGrant:
    """By whoever may decide for the customer, or has asked for it. An agent that is out of reach may still use it."""
    reason = reason.strip()
    if not 0 < len(reason) <= 500:  # noqa: PLR2004 - the column's length
        raise ReasonNeeded("why you revoke it")
    found = _locked(grant.pk)
    asked_by = {found.request.requester_id, found.request.answerable_id}
    if principal.id not in asked_by and not decides(principal, found.customer_id):
        raise NotAllowed("Only who has asked for it, or decides on requests of this customer, can revoke it.")
    if found.state != State.HELD:
        raise Conflict(f"This grant is {found.get_state_display().lower()} already.", code="grant_over")
    revoke_rows([found], because=reason, by=by)
    return found


def revoke_rows(rows: Iterable[HeldGrant], *, because: str, by: Actor) -> None:
    """Locked rows that are held."""
    for grant in rows:
        grant.state, grant.revoked_at = State.REVOKED, datetime.now(UTC)
        grant.revoked_by, grant.revoked_because = by.label[:200], because[:500]
        grant.save(update_fields=["state", "revoked_at", "revoked_by", "revoked_because"])
        record_grant(EventKind.GRANT_REVOKED, grant, by, {"because": because, "delivered": bool(grant.delivered_at)})


@transaction.atomic
def expire_late_grants(now: datetime | None = None) -> int:
    """Of the acting tenant; for the sweep. One that was used in time and is reported later is a use all the same."""
    late = HeldGrant.objects.filter(state=State.HELD, not_after__lte=now or datetime.now(UTC))
    rows = list(late.select_for_update(skip_locked=True)[:MOST])
    for grant in rows:
        grant.state = State.EXPIRED
        grant.save(update_fields=["state"])
        record_grant(EventKind.GRANT_EXPIRED, grant, CLOCK, {"used": grant.used, "uses": grant.uses})
    return len(rows)


def take_up_again(now: datetime) -> None:
    """What the broker was told and has not done, because the message was lost. Of the acting tenant."""
    before = now - WAITED
    with transaction.atomic():
        approved = ApprovalRequest.objects.filter(state="approved", approved_at__lt=before).exclude(terms={})
        asked = list(approved.values_list("id", flat=True)[:MOST])
        waiting = GrantUse.objects.filter(state=GrantUse.State.RECEIVED, received_at__lt=before)
        uses = list(waiting.values_list("id", flat=True)[:MOST])
    for request in asked:
        issue_grant.delay(str(request))
    for use in uses:
        settle_use.delay(str(use))


def record_grant(kind: EventKind, grant: HeldGrant, by: Actor, body: dict[str, Any], *, result: str = "ok") -> None:
    subject = ("held_grant", grant.pk, grant.tool)
    told = {"nonce": grant.nonce, "request": str(grant.request_id), **body}
    record(kind, actor=by, subject=subject, customer_id=grant.customer_id, result=result, body=told)


def _locked(grant: UUID) -> HeldGrant:
    rows = HeldGrant.objects.select_for_update(of=("self",)).select_related("request")
    found = rows.filter(id=grant).first()
    if found is None:
        raise NotFound
    return found
