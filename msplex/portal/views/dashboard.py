from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from connectors.models import Signal
from identity.permissions import Permission
from identity.web import requires
from msplex.portal import selectors
from msplex.portal.plots import bars_of
from msplex.portal.requests import PortalRequest
from msplex.templatetags.portal import milliseconds

SIGNALS = {
    Signal.Kind.ALERT: "Alerts",
    Signal.Kind.SLA: "Breached service levels",
    Signal.Kind.DEVICES: "Devices",
    Signal.Kind.CVES: "Known vulnerabilities",
}


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
    seen = selectors.overview(request.principal, timezone.now())
    context = {"instances": seen.instances, "signals": _signals(seen.signals), **_steps(seen.progress)}
    if seen.counts is not None:
        context |= _calls(seen.counts, seen.refusals or [])
    return render(request, "portal/dashboard/dashboard.html", context)


def _signals(found: dict[str, int] | None) -> list[tuple[str, str, int]]:
    """(kind, what it is called, how many); nothing while no system has said anything."""
    if not found or not any(found.values()):
        return []
    return [(kind.value, label, found[kind.value]) for kind, label in SIGNALS.items()]


def _calls(counts: selectors.Counts, denials: list[selectors.Refusals]) -> dict[str, object]:
    return {
        "figures": _figures(counts),
        "recent": selectors.latest_calls(),
        "denials": list(zip(denials, bars_of([denial.days for denial in denials]), strict=True)),
    }


def _figures(counts: selectors.Counts) -> list[Figure]:
    share = f"{100 * counts.refused_today / counts.today:.1f} % of today's calls" if counts.today else "No calls today"
    figures = [
        Figure("Calls today", f"{counts.today:,}", f"{counts.week:,} in 7 days"),
        Figure("Refused today", f"{counts.refused_today:,}", share),
        Figure("Failed today", f"{counts.failed_today:,}", "Or outcome unknown"),
    ]
    if counts.longest_wait_ms is not None:
        waited = milliseconds(timedelta(milliseconds=counts.longest_wait_ms))
        figures.append(Figure("Longest wait today", waited, "In line, behind at most 8 calls of any other MSP"))
    if counts.withheld_week is not None:
        figures.append(Figure("Rows withheld", f"{counts.withheld_week:,}", "Of other customers, in 7 days"))
    return figures


def _steps(progress: selectors.Progress | None) -> dict[str, object]:
    """What to do next, for those who can do it, until it is all done."""
    if progress is None:
        return {}
    steps = _way_to_first_call(progress)
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
