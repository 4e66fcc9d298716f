import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from audit.models import Event
from audit.saving import remove_filter, save_filter
from audit.selectors import events_in_sight, place_of, saved_filters
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.answers import carry_out, one
from msplex.portal.event_filters import AuditFilter, narrowing_of
from msplex.portal.events import told_by
from msplex.portal.exports import Format, begin_export
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
        "narrowing": narrowing_of(request.GET),
        "saved": list(saved_filters(request.principal.id)),
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
        "place": place_of(event.pk),
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


@requires(Permission.AUDIT_EVENT_READ)
@require_POST
def audit_export(request: PortalRequest) -> HttpResponseBase:
    """What the address narrows, as a file."""
    narrowed = AuditFilter(request.GET, events_in_sight(), request=request)
    if not narrowed.form.is_valid() or request.POST.get("format") not in set(Format):
        messages.error(request, "Mend the filters first, then export.")
        return redirect(f"{reverse('portal:audit')}?{request.GET.urlencode()}")
    made_as, said = Format(request.POST["format"]), narrowing_of(request.GET)
    return begin_export(narrowed.qs, made_as, narrowed=said, principal=request.principal, by=request.actor)


@requires(Permission.AUDIT_EVENT_READ)
@require_POST
def audit_filter_save(request: PortalRequest) -> HttpResponse:
    query, name = narrowing_of(request.GET), request.POST.get("name", "")
    shared = bool(request.POST.get("shared"))
    carry_out(request, lambda: save_filter(name, query, shared=shared, by=request.actor), "The filter is saved.")
    return redirect(f"{reverse('portal:audit')}?{query}")


@requires(Permission.AUDIT_EVENT_READ)
@require_POST
def audit_filter_remove(request: PortalRequest, pk: UUID) -> HttpResponse:
    saved = one(saved_filters(request.principal.id).filter(owner_id=request.principal.id), pk)
    carry_out(request, lambda: remove_filter(saved, by=request.actor), "The filter is removed.")
    return redirect("portal:audit")


def _stages(found: Trace) -> dict[str, list[Event]]:
    return {stage.value: found.at(stage) for stage in Stage}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


paths = [
    path("audit/", audit, name="audit"),
    path("audit/export/", audit_export, name="audit_export"),
    path("audit/filters/", audit_filter_save, name="audit_filter_save"),
    path("audit/filters/<uuid:pk>/remove/", audit_filter_remove, name="audit_filter_remove"),
    path("audit/trace/", audit_trace, name="audit_trace"),
    path("audit/<uuid:pk>/", audit_event, name="audit_event"),
]
