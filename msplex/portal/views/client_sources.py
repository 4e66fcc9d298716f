"""Which tool of a server lists its clients: declared on the tool's own page."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.http import require_POST

from connectors.imported.client_sources import can_list, declare_client_source, forget_client_source
from connectors.models import ImportedTool
from connectors.selectors import client_source, imported_tools, instances
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.import_forms import ClientSourceForm
from msplex.portal.requests import PortalRequest

PAGE = "portal/connectors/client_source.html"


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_client_source(request: PortalRequest, pk: UUID, tool: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    found = one(imported_tools().filter(instance=instance), tool)
    form = ClientSourceForm(request.POST, tool=found)
    if form.is_valid():
        with said_beside(form):
            seen = form.cleaned_data["seen_digest"]
            declare_client_source(found, seen_digest=seen, terms=form.source, by=request.actor)
            return redirect("portal:connector_clients", pk)
    return mend(request, PAGE, {"instance": instance, "tool": found, "source_form": form})


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_client_source_forget(request: PortalRequest, pk: UUID, tool: UUID) -> HttpResponse:
    found = one(imported_tools().filter(instance=one(instances(), pk)), tool)
    done = f"{found.name} is not asked for clients any more. What was mapped stays."
    carry_out(request, lambda: forget_client_source(found, by=request.actor), done)
    return redirect("portal:connector_tool", pk, tool)


def of_tool(tool: ImportedTool) -> dict[str, Any]:
    """For the page of a tool: whether it lists the clients, and the form to say so, if it can."""
    source = client_source(tool.instance)
    mine = source if source and source.tool_id == tool.pk else None
    if not tool.seen_digest or not can_list(tool):
        return {"source": mine}
    return {"source": mine, "source_form": ClientSourceForm(tool=tool, source=mine)}


paths = [
    path("connectors/<uuid:pk>/tools/<uuid:tool>/clients/", connector_client_source, name="connector_client_source"),
    path(
        "connectors/<uuid:pk>/tools/<uuid:tool>/clients/forget/",
        connector_client_source_forget,
        name="connector_client_source_forget",
    ),
]
