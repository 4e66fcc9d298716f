from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.requests import PortalRequest

LATEST = 8


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class NextStep:
    label: str
    why: str
    action: str
    url: str
    done: bool


@requires(Permission.PORTAL_DASHBOARD_READ)
def dashboard(request: PortalRequest) -> HttpResponse:
    context = _steps(request)
    if request.principal.allows(Permission.GATEWAY_CALL_READ):
        context |= _calls(timezone.now(), whole_tenant=request.principal.scope() is None)
    if request.principal.allows(Permission.CONNECTORS_INSTANCE_READ):
        context["instances"] = list(selectors.instances()[:LATEST])
    return render(request, "portal/dashboard/dashboard.html", context)


def _calls(now: datetime, *, whole_tenant: bool) -> dict[str, object]:
    denials = selectors.refusals_by_gate(now)
    return {
        "figures": _figures(selectors.counts(now), whole_tenant=whole_tenant),
        "recent": selectors.latest_calls(LATEST),
        "denials": denials,
        "most_denials": max((denial.count for denial in denials), default=0),
    }


def _figures(counts: selectors.Counts, *, whole_tenant: bool) -> list[Figure]:
    """What was withheld is about other customers: even its number is for those who see them all."""
    share = f"{100 * counts.refused_today / counts.today:.1f} % of today's calls" if counts.today else "No calls today"
    figures = [
        Figure("Calls today", f"{counts.today:,}", f"{counts.week:,} in 7 days"),
        Figure("Refused today", f"{counts.refused_today:,}", share),
        Figure("Failed today", f"{counts.failed_today:,}", "Or outcome unknown"),
    ]
    withheld = Figure("Rows withheld", f"{counts.withheld_week:,}", "Of other customers, in 7 days")
    return [*figures, withheld] if whole_tenant else figures


def _steps(request: PortalRequest) -> dict[str, object]:
    """What to do next, for those who can do it, until it is all done."""
    if not request.principal.allows_everywhere(Permission.CONNECTORS_INSTANCE_MANAGE):
        return {}
    steps = _way_to_first_call(selectors.progress())
    done = sum(step.done for step in steps)
    return {"next_steps": steps, "steps_done": done} if done < len(steps) else {}


def _way_to_first_call(progress: selectors.Progress) -> list[NextStep]:
    connectors = reverse("portal:connectors")
    return [
        NextStep(
            "Add a customer",
            "Every call is for exactly one of your clients.",
            "Add customer",
            reverse("portal:customer_new"),
            progress.customer,
        ),
        NextStep(
            "Connect a system",
            "Entitlement, settings and credential, health check, activation.",
            "Open connectors",
            connectors,
            progress.active,
        ),
        NextStep(
            "Map a customer to it",
            "Says which record of that system is which of your clients.",
            "Open connectors",
            connectors,
            progress.mapped,
        ),
        NextStep(
            "Create a service account",
            "An agent or automation calls tools with its token.",
            "New service account",
            reverse("portal:service_account_new"),
            progress.automation,
        ),
    ]
