"""Ending sessions on purpose, one's own and those of people one manages; and writing down how the others ended."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit.actors import Actor, system
from audit.kinds import EventKind
from audit.services import record
from identity.models import Principal, Session
from identity.selectors import security_policy
from identity.services.ending import end_other_sessions, end_sessions
from identity.services.notices import tell_person
from identity.services.principals import lock_managed
from identity.sessions import ends_by_itself
from tenants.errors import NotFound

BATCH = 500


@transaction.atomic
def revoke_session(session_id: UUID, *, by: Actor) -> None:
    """One's own, or of someone that `by` manages. One that has ended already stays as it ended."""
    session = Session.objects.select_related("principal").filter(id=session_id).first()
    if session is None:
        raise NotFound
    if session.principal_id != by.id:
        lock_managed(session.principal_id, by)
    if end_sessions(Session.objects.filter(id=session_id), Session.End.REVOKED, by=by.label):
        subject = ("principal", session.principal_id, session.principal.label)
        body = {"session": str(session_id)}
        record(EventKind.SESSION_REVOKED, actor=by, subject=subject, customer_id=session.customer_id, body=body)
        _tell(session.principal, by, "in one browser")


@transaction.atomic
def revoke_sessions(principal_id: UUID, *, by: Actor, keep: UUID | None = None) -> int:
    """All of a principal, but for the one that asks. How many were open."""
    principal, customer_id, label = None, None, by.label
    if principal_id != by.id:
        principal = lock_managed(principal_id, by)
        customer_id, label = principal.customer_id, principal.label
    ended = end_other_sessions(principal_id, Session.End.REVOKED, by=by.label, keep=keep)
    if ended:
        subject = ("principal", principal_id, label)
        record(EventKind.SESSION_REVOKED, actor=by, subject=subject, customer_id=customer_id, body={"count": ended})
        _tell(principal, by, "in every browser")
    return ended


def _tell(principal: Principal | None, by: Actor, where: str) -> None:
    """Whom somebody else signed out."""
    if principal is not None and principal.pk != by.id:
        tell_person(principal, "session_revoked", by, where=where)


def expire_sessions(now: datetime | None = None) -> int:
    """Write how sessions ended that nobody used any more; in short transactions, which requests need not wait for."""
    now = now or timezone.now()
    total = 0
    while ended := _expire_batch(now):
        total += ended
    return total


def _overdue(now: datetime) -> QuerySet[Session]:
    policy = security_policy()
    late = Q(last_seen_at__lte=now - policy.idle) | Q(expires_at__lte=now) | Q(created_at__lte=now - policy.session)
    return Session.objects.filter(late, ended_at=None)


@transaction.atomic
def _expire_batch(now: datetime) -> int:
    policy = security_policy()
    rows = list(_overdue(now).select_for_update(skip_locked=True).order_by("id")[:BATCH])
    for row in rows:
        ended_at, reason = ends_by_itself(row, policy)
        Session.objects.filter(id=row.pk).update(ended_at=ended_at, end_reason=reason)
        record(
            EventKind.SESSION_EXPIRED,
            actor=system("sessions"),
            subject=("session", row.pk, ""),
            customer_id=row.customer_id,
            body={"principal": str(row.principal_id), "reason": str(reason)},
        )
    return len(rows)
