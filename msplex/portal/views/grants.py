"""Grants that are held in advance, and the host agents that hold them."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from approvals.errors import VoteRefused
from approvals.held.agents import add_agent, renew_code, revoke_agent
from approvals.held.models import HeldGrant, HostAgent
from approvals.held.playbooks import STOP
from approvals.held.selectors import agents, agents_that_hold, grants, terms_shown, uses_of
from approvals.held.services import revoke_grant
from approvals.showing import arguments_of
from identity.permissions import Permission
from identity.responses import committed
from identity.web import requires
from msplex.decision.snapshot import snapshot
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.asking import Wish
from msplex.portal.filters import GrantFilter
from msplex.portal.grant_forms import GrantForm, HostAgentForm, RevokeForm
from msplex.portal.holding import GrantWish, ask_for_grant
from msplex.portal.paging import stretch
from msplex.portal.requests import PortalRequest

PAGE, FORM, AGENTS = "portal/grants/detail.html", "portal/grants/form.html", "portal/grants/agents.html"


@requires(Permission.GATEWAY_CALL_READ)
def grants_held(request: PortalRequest) -> HttpResponse:
    narrowed = GrantFilter(request.GET, grants(), request=request)
    filtered = any(request.GET.get(name) for name in narrowed.filters)
    context = {"filter": narrowed, "page": stretch(narrowed.qs, request.GET), "filtered": filtered}
    return render(request, "portal/grants/list.html", context)


@requires(Permission.GATEWAY_CALL_READ)
def grant(request: PortalRequest, pk: UUID) -> HttpResponse:
    return render(request, PAGE, _about(one(grants(), pk)))


@requires(Permission.GATEWAY_TOOL_WRITE)
@never_cache
def grant_new(request: PortalRequest) -> HttpResponse:
    form = GrantForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            code = form.cleaned_data["code"]
            asked = ask_for_grant(_wish(form), principal=request.principal, code=code, by=request.actor)
            if asked:
                return redirect("portal:approval", asked.pk)
            form.add_error("code", VoteRefused().message)
    context = {"form": form, "tools": list(snapshot().tools), "none": not agents_that_hold().exists()}
    if request.method != "POST":
        return render(request, FORM, context)
    return committed(mend(request, FORM, context))


@requires(Permission.GATEWAY_TOOL_WRITE)
@require_POST
def grant_revoke(request: PortalRequest, pk: UUID) -> HttpResponse:
    found, form = one(grants(), pk), RevokeForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            revoke_grant(found, principal=request.principal, reason=form.cleaned_data["reason"], by=request.actor)
            return redirect("portal:grant", pk)
    return mend(request, PAGE, _about(found) | {"revocation": form})


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_READ)
def host_agents(request: PortalRequest) -> HttpResponse:
    return render(request, AGENTS, _agents(request, HostAgentForm()))


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
@never_cache
@sensitive_variables("code")
def host_agent_add(request: PortalRequest) -> HttpResponse:
    form = HostAgentForm(request.POST)
    if form.is_valid():
        with said_beside(form):
            agent, code = add_agent(form.cleaned_data["customer"], name=form.cleaned_data["name"], by=request.actor)
            return _code(request, agent, code)
    return mend(request, AGENTS, _agents(request, form))


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
@never_cache
@sensitive_variables("codes")
def host_agent_code(request: PortalRequest, pk: UUID) -> HttpResponse:
    agent, codes = one(agents(), pk), []
    if carry_out(request, lambda: codes.append(renew_code(agent, by=request.actor)), "The code before is void."):
        return _code(request, agent, codes[0])
    return redirect("portal:host_agents")


@requires(Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE, recent_mfa=True)
@require_POST
def host_agent_revoke(request: PortalRequest, pk: UUID) -> HttpResponse:
    agent = one(agents(), pk)
    done = "It is believed nothing any more, and what it holds is revoked."
    carry_out(request, lambda: revoke_agent(agent, by=request.actor), done)
    return redirect("portal:host_agents")


def _wish(form: GrantForm) -> GrantWish:
    given = form.cleaned_data
    call = Wish(
        given["tool"], None, given["arguments"], given["reason"], given["ticket"], given["approvers"] or 0
    )  # fmt: skip
    return GrantWish(
        call, given["agent"].pk, given["not_before"], given["not_after"], given["heartbeat_lost_minutes"],
        given["critical_alert"], given["uses"], given["then"], given["on_failure"] or STOP,
    )  # fmt: skip


def _about(found: HeldGrant) -> dict[str, Any]:
    return {
        "grant": found, "uses": list(uses_of(found)), "arguments": arguments_of(found.request.arguments),
        "terms": terms_shown(found.request), "revocation": RevokeForm(),
    }  # fmt: skip


def _agents(request: PortalRequest, form: HostAgentForm) -> dict[str, Any]:
    return {"form": form, "page": stretch(agents(), request.GET)}


def _code(request: PortalRequest, agent: HostAgent, code: str) -> HttpResponse:
    return render(request, "portal/grants/code.html", {"agent": agent, "code": code})


paths = [
    path("grants/", grants_held, name="grants"),
    path("grants/new/", grant_new, name="grant_new"),
    path("grants/<uuid:pk>/", grant, name="grant"),
    path("grants/<uuid:pk>/revoke/", grant_revoke, name="grant_revoke"),
    path("host-agents/", host_agents, name="host_agents"),
    path("host-agents/add/", host_agent_add, name="host_agent_add"),
    path("host-agents/<uuid:pk>/code/", host_agent_code, name="host_agent_code"),
    path("host-agents/<uuid:pk>/revoke/", host_agent_revoke, name="host_agent_revoke"),
]
