"""The tools of an MCP server or of an OpenAPI description: looked for, declared, exposed, withdrawn."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST

from connectors.catalogue import connector as catalogue_entry
from connectors.errors import MESSAGES
from connectors.imported.declaration import offered
from connectors.imported.definitions import REASONS, differences
from connectors.imported.discovery import can_be_asked, last_discovery, request_discovery
from connectors.imported.dry_runs import PATIENCE, last_run, request_dry_run, terms_digest, worked
from connectors.imported.openapi.describing import describe
from connectors.imported.rehearsing import PROBLEMS
from connectors.imported.reviewing import classify_tool, expose_tool, withdraw_tool
from connectors.models import ConnectorInstance, ImportedTool
from connectors.selectors import imported_tools, instances, mapped_customers
from identity.permissions import Permission
from identity.web import requires
from msplex.portal.answers import carry_out, mend, one, page_of, said_beside
from msplex.portal.filters import ToolFilter
from msplex.portal.import_forms import ClassificationForm, DescriptionForm, DryRunForm, ExposeForm
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
    form = ExposeForm(request.POST)
    untried = form.is_valid() and form.cleaned_data["untried"]
    carry_out(request, lambda: expose_tool(found, by=request.actor, untried=untried), done)
    return redirect("portal:connector_tool", pk, tool)


@requires(Permission.CONNECTORS_INSTANCE_MANAGE, recent_mfa=True)
@require_POST
def connector_tool_try(request: PortalRequest, pk: UUID, tool: UUID) -> HttpResponse:
    """A dry run. The page shows what came of it as soon as the broker has made it."""
    instance = one(instances(), pk)
    found = one(_of(instance), tool)
    trial = DryRunForm(request.POST, customers=mapped_customers(instance))
    if trial.is_valid():
        with said_beside(trial):
            request_dry_run(found, **trial.terms, by=request.actor)
            return redirect("portal:connector_tool", pk, tool)
    form = ClassificationForm(tool=found, parents=_parents(instance, found)) if found.seen_digest else None
    return mend(request, TOOL, _about(instance, found, form) | {"trial": trial, "may_try": True})


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
        **_tried(instance, tool, as_reviewed=bool(tool.pinned_digest) and not moved),
    }


def _tried(instance: ConnectorInstance, tool: ImportedTool, *, as_reviewed: bool) -> dict[str, Any]:
    """What the last dry run says, and the form for another one."""
    if not as_reviewed:
        return {}
    run, terms = last_run(tool), terms_digest(tool)
    waits = run is not None and not run.finished_at and run.asked_at > timezone.now() - PATIENCE
    return {
        "may_try": True,
        "run": run,
        "waits": waits,
        "same": run is not None and run.terms_digest == terms,
        "trouble": MESSAGES.get(run.code, "It is not as it was when this was asked for.") if run and run.code else "",
        "problems": [PROBLEMS[each] for each in run.result.get("problems", ())] if run else [],
        "sent": _written(run.result["would_send"]) if run and run.result.get("would_send") else "",
        "worked": worked(tool),
        "trial": DryRunForm(customers=mapped_customers(instance)),
    }


def _written(request: dict[str, Any]) -> str:
    body = json.dumps(request["body"], indent=2, ensure_ascii=False) if request["body"] is not None else "(no body)"
    return f"{request['method']} {request['path']}\n\n{body}"


paths = [
    path("connectors/<uuid:pk>/tools/", connector_tools, name="connector_tools"),
    path("connectors/<uuid:pk>/tools/discover/", connector_tools_discover, name="connector_tools_discover"),
    path("connectors/<uuid:pk>/tools/describe/", connector_tools_describe, name="connector_tools_describe"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/", connector_tool, name="connector_tool"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/expose/", connector_tool_expose, name="connector_tool_expose"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/try/", connector_tool_try, name="connector_tool_try"),
    path("connectors/<uuid:pk>/tools/<uuid:tool>/withdraw/", connector_tool_withdraw, name="connector_tool_withdraw"),
]
