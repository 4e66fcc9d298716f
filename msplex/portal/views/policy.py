"""The tool policy: its rules in their order, their editor, and what a call would meet."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from approvals import rules
from approvals.models import ToolRule
from approvals.policy import DEFAULT_APPROVERS
from identity.permissions import Permission
from identity.web import requires
from msplex.decision.snapshot import snapshot
from msplex.portal.answers import carry_out, mend, one, said_beside
from msplex.portal.policy_forms import RuleForm, TryForm
from msplex.portal.policy_words import KINDS, needs
from msplex.portal.requests import PortalRequest
from msplex.portal.trying import ask, ask_then

FORM = "portal/policy/form.html"


@requires(Permission.APPROVALS_RULE_READ)
def policy(request: PortalRequest) -> HttpResponse:
    defaults = [(KINDS[risk].capitalize(), needs(approvers)) for risk, approvers in DEFAULT_APPROVERS.items()]
    return render(request, "portal/policy/list.html", {"rules": list(rules.rules()), "defaults": defaults})


@requires(Permission.APPROVALS_RULE_MANAGE, recent_mfa=True)
def policy_rule_new(request: PortalRequest) -> HttpResponse:
    form = RuleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            rules.add_rule(form.terms, by=request.actor)
            return redirect("portal:policy")
    if request.method == "POST":
        return mend(request, FORM, {"form": form})
    return render(request, FORM, {"form": form})


@requires(Permission.APPROVALS_RULE_MANAGE, recent_mfa=True)
def policy_rule(request: PortalRequest, pk: UUID) -> HttpResponse:
    rule = one(rules.rules(), pk)
    form = RuleForm(request.POST or None, rule=rule)
    if request.method == "POST" and form.is_valid():
        with said_beside(form):
            rules.change_rule(rule, form.terms, by=request.actor)
            return redirect("portal:policy")
    if request.method == "POST":
        return mend(request, FORM, {"form": form, "rule": rule})
    return render(request, FORM, {"form": form, "rule": rule})


@requires(Permission.APPROVALS_RULE_MANAGE, recent_mfa=True)
@require_POST
def policy_rule_move(request: PortalRequest, pk: UUID) -> HttpResponse:
    rule = one(rules.rules(), pk)
    to = rule.position + (1 if request.POST.get("way") == "down" else -1)
    carry_out(request, lambda: rules.move_rule(rule, to=max(to, 1), by=request.actor), f"{rule.name} was moved.")
    return redirect("portal:policy")


@requires(Permission.APPROVALS_RULE_MANAGE, recent_mfa=True)
@require_POST
def policy_rule_remove(request: PortalRequest, pk: UUID) -> HttpResponse:
    rule: ToolRule = one(rules.rules(), pk)
    carry_out(request, lambda: rules.remove_rule(rule, by=request.actor), f"{rule.name} was removed.")
    return redirect("portal:policy")


@requires(Permission.APPROVALS_RULE_READ)
def policy_try(request: PortalRequest) -> HttpResponse:
    """A question in the address, so that it can be sent to a colleague."""
    form = TryForm(request.GET or None)
    context = {"form": form, "tools": list(snapshot().tools)}
    if form.is_bound and form.is_valid():
        asked = form.cleaned_data
        customer = str(asked["customer"].pk) if asked["customer"] else None
        who, what = asked["principal"].pk, (asked["tool"], asked["arguments"])
        context["answer"] = (
            ask_then(who, *what, customer=customer, at=asked["at"])
            if asked["as_it_was"]
            else ask(who, *what, customer=customer, now=asked["at"])
        )
    elif form.is_bound:
        return mend(request, "portal/policy/try.html", context)
    return render(request, "portal/policy/try.html", context)


paths = [
    path("policy/", policy, name="policy"),
    path("policy/new/", policy_rule_new, name="policy_rule_new"),
    path("policy/try/", policy_try, name="policy_try"),
    path("policy/<uuid:pk>/", policy_rule, name="policy_rule"),
    path("policy/<uuid:pk>/move/", policy_rule_move, name="policy_rule_move"),
    path("policy/<uuid:pk>/remove/", policy_rule_remove, name="policy_rule_remove"),
]
