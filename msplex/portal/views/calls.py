import json
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from connectors.arguments import call_digest
from connectors.models import ToolCall
from connectors.selectors import tool_calls
from identity.permissions import Permission
from identity.web import requires
from msplex.decision.denials import DENIALS
from msplex.portal.answers import one
from msplex.portal.filters import CallFilter
from msplex.portal.gates import Outcome, times_of, way_through
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest


@requires(Permission.GATEWAY_CALL_READ)
def calls(request: PortalRequest) -> HttpResponse:
    narrowed = CallFilter(request.GET, tool_calls(), request=request)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "page": stretch(narrowed.qs, request.GET), "filtered": filtered}
    return render(request, "portal/calls/list.html", context | _following(request))


def _following(request: PortalRequest) -> dict[str, object]:
    """Whether the page asks for news by itself, which only the newest can, and the address for the other way."""
    live = "live" in request.GET and not {"before", "after"} & set(request.GET)
    other = request.GET.copy()
    for name in ("before", "after", "live"):
        other.pop(name, None)
    if not live:
        other["live"] = "1"
    return {"live": live, "query": request.GET.urlencode(), "toggled": other.urlencode()}


def asked_nothing(call: ToolCall) -> bool:
    """Of one without arguments: there were none. Of others they are kept no more (connectors.retention)."""
    names = (call.tool, f"{call.connector}_{call.tool}")
    return not call.arguments_digest or call.arguments_digest in {call_digest(name, {}) for name in names}


@requires(Permission.GATEWAY_CALL_READ)
def call(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(tool_calls(), pk)
    steps = way_through(found.verdicts, times_of(found))
    context = {
        "call": found,
        "denial": DENIALS.get(found.code),
        "steps": steps,
        "passed": sum(step.outcome is Outcome.PASSED for step in steps),
        "arguments": json.dumps(found.arguments, indent=2, ensure_ascii=False),
        "forgotten": not found.arguments and not asked_nothing(found),
    }
    return render(request, "portal/calls/detail.html", context)
