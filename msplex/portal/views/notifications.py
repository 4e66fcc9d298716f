"""What somebody is told, and what they do about it."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from approvals.notifications.selectors import notifications_for
from approvals.notifications.services import acknowledge, snooze
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, one
from msplex.portal.filters import NotificationsFilter
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest


@requires(Permission.PORTAL_DASHBOARD_READ)
def notifications(request: PortalRequest) -> HttpResponse:
    """What waits for the person, unless something else is asked for."""
    query = request.GET.copy()
    query.setdefault("show", "waiting")
    narrowed = NotificationsFilter(query, notifications_for(request.principal), request=request)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "page": stretch(narrowed.qs, request.GET), "filtered": filtered}
    return render(request, "portal/notifications/list.html", context)


@requires(Permission.PORTAL_DASHBOARD_READ)
@never_cache
def notification_bell(request: PortalRequest) -> HttpResponse:
    """Asked for again and again by open pages: one number."""
    return render(request, "portal/notifications/bell.html")


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def notification_acknowledge(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(notifications_for(request.principal), pk)
    carry_out(request, lambda: acknowledge(found, by=request.actor), "Acknowledged.")
    return redirect("portal:notifications")


@requires(Permission.PORTAL_DASHBOARD_READ)
@require_POST
def notification_snooze(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, how_long = one(notifications_for(request.principal), pk), request.POST.get("how_long", "")
    carry_out(request, lambda: snooze(found, how_long=how_long, by=request.actor), "Put off. It comes back by itself.")
    return redirect("portal:notifications")


paths = [
    path("notifications/", notifications, name="notifications"),
    path("notifications/bell/", notification_bell, name="notification_bell"),
    path("notifications/<uuid:pk>/acknowledge/", notification_acknowledge, name="notification_acknowledge"),
    path("notifications/<uuid:pk>/snooze/", notification_snooze, name="notification_snooze"),
]
