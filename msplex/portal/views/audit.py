import json
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from audit.models import Event
from audit.selectors import events_in_sight
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import one
from msplex.portal.event_filters import AuditFilter
from msplex.portal.events import told_by
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest
from msplex.portal.trace import Stage, Trace, gates_of, requests_of
from msplex.portal.trace import trace as trace_of


@requires(Permission.AUDIT_EVENT_READ)
def audit(request: PortalRequest) -> HttpResponse:
    narrowed = AuditFilter(request.GET, events_in_sight(), request=request)
    page = stretch(narrowed.qs.defer("header"), request.GET)
    context = {
        "filter": narrowed,
        "page": page,
        "filtered": any(request.GET.get(name) for name in narrowed.filters),
        "names": selectors.names_of([key for row in page.rows for key in (row.customer_id, row.instance_id) if key]),
    }
    return render(request, "portal/audit/list.html", context)


@requires(Permission.AUDIT_EVENT_READ)
def audit_event(request: PortalRequest, pk: UUID) -> HttpResponse:
    event = one(events_in_sight(), pk)
    ids = [event.customer_id, event.instance_id, event.actor_id, event.subject_id]
    context = {
        "event": event,
        "facts": event.facts,
        "header": json.dumps(json.loads(bytes(event.header)), indent=2, ensure_ascii=False),
        "told": told_by(event),
        "steps": gates_of(event),
        "requests": requests_of(event),
        "names": selectors.names_of([key for key in ids if key]),
    }
    return render(request, "portal/audit/detail.html", context)


@requires(Permission.AUDIT_EVENT_READ)
def audit_trace(request: PortalRequest) -> HttpResponse:
    """Without a call or a request, or with one that is not within reach, there is nothing to show, and it says so."""
    call, text = _id(request.GET.get("call", "")), request.GET.get("request", "").strip()[:64]
    found = trace_of(call=call, request="" if call else text.replace("\0", ""))
    context = {"trace": found, "asked": text or request.GET.get("call", ""), "at": _stages(found)}
    return render(request, "portal/audit/trace.html", context)


def _stages(found: Trace) -> dict[str, list[Event]]:
    return {stage.value: found.at(stage) for stage in Stage}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


paths = [
    path("audit/", audit, name="audit"),
    path("audit/trace/", audit_trace, name="audit_trace"),
    path("audit/<uuid:pk>/", audit_event, name="audit_event"),
]
