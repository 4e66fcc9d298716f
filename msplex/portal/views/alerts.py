from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from audit.alerting import acknowledge_alert
from audit.alerts import AlertKind
from audit.models import Alert
from audit.selectors import alerts as every_alert
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import carry_out, one
from msplex.portal.event_filters import AlertFilter
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest


@requires(Permission.AUDIT_ALERT_READ)
def alerts(request: PortalRequest) -> HttpResponse:
    """The open ones, unless others are asked for."""
    query = request.GET.copy()
    query.setdefault("state", Alert.State.OPEN.value)
    narrowed = AlertFilter(query, every_alert(), request=request)
    page = stretch(narrowed.qs, request.GET)
    context = {
        "filter": narrowed,
        "page": page,
        "filtered": any(request.GET.get(name) for name in narrowed.filters),
        "names": selectors.names_of([key for row in page.rows for key in (row.customer_id, row.instance_id) if key]),
    }
    return render(request, "portal/alerts/list.html", context)


@requires(Permission.AUDIT_ALERT_READ)
def alert(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(every_alert(), pk)
    keys = [key for key in (found.customer_id, found.instance_id) if key]
    context = {"alert": found, "names": selectors.names_of(keys), "events_url": _events_of(found)}
    return render(request, "portal/alerts/detail.html", context)


@requires(Permission.AUDIT_ALERT_MANAGE)
@require_POST
def alert_acknowledge(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(every_alert(), pk)
    note = request.POST.get("note", "")
    carry_out(request, lambda: acknowledge_alert(found, note=note, by=request.actor), "The alert is acknowledged.")
    return redirect("portal:alert", pk)


def _events_of(alert: Alert) -> str:
    """The audit log, narrowed to what is behind it."""
    by: dict[str, object] = {"kind": alert.event_kind, "customer": alert.customer_id, "instance": alert.instance_id}
    if alert.kind == AlertKind.REPEATED_DENIALS:
        by |= {"actor": alert.actor_id, "tool": alert.tool}
    elif not alert.instance_id:
        by["subject"] = alert.subject_id
    return f"{reverse('portal:audit')}?{urlencode({name: str(value) for name, value in by.items() if value})}"


paths = [
    path("alerts/", alerts, name="alerts"),
    path("alerts/<uuid:pk>/", alert, name="alert"),
    path("alerts/<uuid:pk>/acknowledge/", alert_acknowledge, name="alert_acknowledge"),
]
