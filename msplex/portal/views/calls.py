import json
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from connectors.selectors import tool_calls
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import one
from msplex.portal.filters import CallFilter
from msplex.portal.gates import Outcome, way_through
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest


@requires(Permission.GATEWAY_CALL_READ)
def calls(request: PortalRequest) -> HttpResponse:
    narrowed = CallFilter(request.GET, tool_calls(), request=request)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "page": stretch(narrowed.qs, request.GET), "filtered": filtered}
    return render(request, "portal/calls/list.html", context)


@requires(Permission.GATEWAY_CALL_READ)
def call(request: PortalRequest, pk: UUID) -> HttpResponse:
    found = one(tool_calls(), pk)
    steps = way_through(found.verdicts)
    context = {
        "call": found,
        "steps": steps,
        "passed": sum(step.outcome is Outcome.PASSED for step in steps),
        "arguments": json.dumps(found.arguments, indent=2, ensure_ascii=False),
    }
    return render(request, "portal/calls/detail.html", context)
