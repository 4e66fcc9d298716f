"""The tools of an MCP server or of an OpenAPI description: looked for, declared, exposed, withdrawn."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from connectors.catalogue import connector as catalogue_entry
from connectors.errors import MESSAGES
from connectors.imported.declaration import offered
from connectors.imported.definitions import REASONS, differences
from connectors.imported.discovery import can_be_asked, last_discovery, request_discovery
from connectors.imported.openapi.describing import describe
from connectors.imported.reviewing import classify_tool, expose_tool, withdraw_tool
from connectors.models import ConnectorInstance, ImportedTool
from connectors.selectors import imported_tools, instances
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, page_of, said_beside
from msplex.portal.filters import ToolFilter
from msplex.portal.import_forms import ClassificationForm, DescriptionForm
from msplex.portal.requests import PortalRequest
from msplex.portal.views.client_sources import of_tool

TOOL = "portal/connectors/imported_tool.html"
TOOLS = "portal/connectors/imported_tools.html"


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
def connector_tools(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, TOOLS, _listed(request, one(instances(), pk), DescriptionForm()))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_tools_discover(request: PortalRequest, pk: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    done = "The server is being asked what it offers. The list has it in a moment."
    carry_out(request, lambda: request_discovery(instance, by=request.actor), done)
    return redirect("portal:connector_tools", pk)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_tools_describe(request: PortalRequest, pk: UUID) -> HttpResponse:
    """A description that has no address: as text, or as a file."""
    instance, form = one(instances(), pk), DescriptionForm(request.POST, request.FILES)
    if form.is_valid():
        with said_beside(form):
            seen = describe(instance, form.written, by=request.actor)
            messages.success(request, f"{seen.found} operations can be looked at, {seen.added} of them are new.")
            return redirect("portal:connector_tools", pk)
    return mend(request, TOOLS, _listed(request, instance, form))


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
def connector_tool(request: PortalRequest, pk: UUID, tool: UUID) -> HttpResponse:
    instance = one(instances(), pk)
    found = one(_of(instance), tool)
    if not found.seen_digest:
        return render(request, TOOL, _about(instance, found, None))
    form = ClassificationForm(request.POST or None, tool=found, parents=_parents(instance, found))
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            terms, seen = form.classification, form.cleaned_data["seen_digest"]
            classify_tool(found, seen_digest=seen, terms=terms, by=request.actor)
            return redirect("portal:connector_tool", pk, tool)
    context = _about(instance, found, form)
    return mend(request, TOOL, context) if request.method == "POST" else render(request, TOOL, context)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_tool_expose(request: PortalRequest, pk: UUID, tool: UUID) -> HttpResponse:
    found = one(_of(one(instances(), pk)), tool)
    done = f"{found.name} is a tool of this connection now."
    carry_out(request, lambda: expose_tool(found, by=request.actor), done)
    return redirect("portal:connector_tool", pk, tool)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE)
@require_POST
def connector_tool_withdraw(request: PortalRequest, pk: UUID, tool: UUID) -> HttpResponse:
    found = one(_of(one(instances(), pk)), tool)
    carry_out(request, lambda: withdraw_tool(found, by=request.actor), f"{found.name} is withdrawn.")
    return redirect("portal:connector_tool", pk, tool)


def _listed(request: PortalRequest, instance: ConnectorInstance, form: DescriptionForm) -> dict[str, Any]:
    found, seen = ToolFilter(request.GET, queryset=_of(instance)), last_discovery(instance)
    return {
        "instance": instance,
        "connector": catalogue_entry(instance.connector),
        "page": page_of(request, found.qs),
        "filter": found,
        "known": _of(instance).exists(),
        "discovery": seen,
        "trouble": MESSAGES.get(seen.code, seen.code) if seen else "",
        "reasons": [(REASONS.get(each, each), count) for each, count in seen.reasons.items()] if seen else [],
        "asked": can_be_asked(instance),
        "form": form,
    }


def _of(instance: ConnectorInstance) -> Any:
    return imported_tools().filter(instance=instance).order_by("name")


def _parents(instance: ConnectorInstance, tool: ImportedTool) -> list[str]:
    exposed = _of(instance).filter(state=ImportedTool.State.EXPOSED).exclude(pk=tool.pk)
    return list(exposed.values_list("name", flat=True))


def _about(instance: ConnectorInstance, tool: ImportedTool, form: ClassificationForm | None) -> dict[str, Any]:
    moved = bool(tool.pinned_digest) and tool.pinned_digest != tool.seen_digest
    return {
        "instance": instance,
        "tool": tool,
        "form": form,
        "typed": form is not None and offered(tool.seen).is_typed,
        "definition": json.dumps(tool.seen, indent=2, ensure_ascii=False),
        "differences": differences(tool.pinned, tool.seen) if moved else [],
        **of_tool(tool),
    }


paths = [
    path("connectors/<uuid:pk>/tools/", connector_tools, name="connector_tools"),
    path("connectors/<uuid:pk>/tools/discover/", connector_tools_discover, name="connector_tools_discover"),
    path("connectors/<uuid:pk>/tools/describe/", connector_tools_describe, name="connector_tools_describe"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/", connector_tool, name="connector_tool"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/expose/", connector_tool_expose, name="connector_tool_expose"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/withdraw/", connector_tool_withdraw, name="connector_tool_withdraw"),
]
