"""Who was signed in, from where, until when and why no longer: one's own sessions, and those of people one sees."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST

from identity import services
from identity.models import SecurityPolicy, Session
from identity.permissions import Permission
from identity.selectors import security_policy, sessions_in_sight
from identity.sessions import ends_by_itself
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import carry_out, one
from msplex.portal.paging import Stretch, stretch
from msplex.portal.requests import PortalRequest


def _sessions(request: PortalRequest, principal_id: UUID) -> QuerySet[Session]:
    return sessions_in_sight(request.principal).filter(principal_id=principal_id)


def _page(request: PortalRequest, principal_id: UUID, policy: SecurityPolicy) -> Stretch[Session]:
    """Those that ended by themselves say so at once, also before the sweep has written it."""
    page, now = stretch(_sessions(request, principal_id), request.GET), timezone.now()
    for row in page.rows:
        ended_at, reason = ends_by_itself(row, policy)
        if row.ended_at is None and ended_at <= now:
            row.ended_at, row.end_reason = ended_at, reason
    return page


@requires(Permission.PORTAL_DASHBOARD_READ)
def account_sessions(request: PortalRequest) -> HttpResponse:
    policy = security_policy()
    context = {"page": _page(request, request.principal.id, policy), "policy": policy}
    return render(request, "portal/sessions/own.html", context)


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def account_session_revoke(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(_sessions(request, request.principal.id), pk)
    carry_out(request, lambda: services.revoke_session(found.pk, by=request.actor), "That session is signed out.")
    return redirect("portal:account_sessions")


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def account_sessions_revoke(request: PortalRequest) -> HttpResponse:
    keep, own = request.principal.session_id, request.principal.id
    done = "You are signed out everywhere but here."
    carry_out(request, lambda: services.revoke_sessions(own, by=request.actor, keep=keep), done)
    return redirect("portal:account_sessions")


@requires(Permission.IDENTITY_MEMBER_READ)
def person_sessions(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    may_manage = request.principal.allows(Permission.IDENTITY_MEMBER_MANAGE)
    context = {"person": found, "page": _page(request, pk, security_policy()), "may_manage": may_manage}
    return render(request, "portal/sessions/person.html", context)


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_session_revoke(request: PortalRequest, pk: UUID, session: UUID) -> HttpResponse:
    found = one(_sessions(request, one(selectors.people(), pk).pk), session)
    carry_out(request, lambda: services.revoke_session(found.pk, by=request.actor), "That session is signed out.")
    return redirect("portal:person_sessions", pk)


@requires(Permission.IDENTITY_MEMBER_MANAGE)
@require_POST
def person_sessions_revoke(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(selectors.people(), pk)
    keep = request.principal.session_id
    done = f"{found.email} is signed out everywhere."
    carry_out(request, lambda: services.revoke_sessions(found.pk, by=request.actor, keep=keep), done)
    return redirect("portal:person_sessions", pk)


paths = [
    path("account/sessions/", account_sessions, name="account_sessions"),
    path("account/sessions/revoke/", account_sessions_revoke, name="account_sessions_revoke"),
    path("account/sessions/<uuid:pk>/revoke/", account_session_revoke, name="account_session_revoke"),
    path("people/<uuid:pk>/sessions/", person_sessions, name="person_sessions"),
    path("people/<uuid:pk>/sessions/revoke/", person_sessions_revoke, name="person_sessions_revoke"),
    path("people/<uuid:pk>/sessions/<uuid:session>/revoke/", person_session_revoke, name="person_session_revoke"),
]
