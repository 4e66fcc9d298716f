"""Where a signed-in person can go. A place they may not enter is not shown."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse

from identity.permissions import Permission
from msplex.portal.requests import PortalRequest
from msplex.portal.waiting import ALERTS, APPROVALS, numbers_of


@dataclass(frozen=True, slots=True)
class Place:
    label: str
    icon: str
    name: str
    permission: Permission
    rooms: str | tuple[str, ...]  # the beginnings of the names of its rooms, for "you are here"
    waits: str = ""  # the name of what waits there for the person


@dataclass(frozen=True, slots=True)
class Shown:
    label: str
    icon: str
    url: str
    current: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    places: list[Shown]


PLACES: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        "",
        (
            Place("Dashboard", "layout-dashboard", "dashboard", Permission.PORTAL_DASHBOARD_READ, "dashboard"),
            Place("Customers", "building-2", "customers", Permission.CUSTOMERS_CUSTOMER_READ, "customer"),
            Place("Connectors", "plug", "connectors", Permission.CONNECTORS_CATALOGUE_READ, "connector"),
            Place("Signals", "radar", "signals", Permission.CONNECTORS_INSTANCE_READ, "signal"),
            Place("Tool calls", "activity", "calls", Permission.GATEWAY_CALL_READ, "call"),
            Place("Approvals", "circle-check-big", "approvals", Permission.GATEWAY_CALL_READ, "approval", APPROVALS),
            Place("Held grants", "key-round", "grants", Permission.GATEWAY_CALL_READ, ("grant", "host_agent")),
            Place("Alerts", "bell", "alerts", Permission.AUDIT_ALERT_READ, "alert", ALERTS),
            Place("Audit", "scroll-text", "audit", Permission.AUDIT_EVENT_READ, "audit"),
            Place("Audit packs", "package", "packs", Permission.AUDIT_EVENT_READ, "pack"),
        ),
    ),
    (
        "Billing",
        (
            Place("Usage", "chart-column", "usage", Permission.BILLING_USAGE_READ, "usage"),
            Place(
                "Overview",
                "receipt-text",
                "billing_overview",
                Permission.BILLING_ACCOUNT_READ,
                ("billing_overview", "billing_prices"),
            ),
            Place("Assets", "monitor-smartphone", "billing_assets", Permission.BILLING_ACCOUNT_READ, "billing_assets"),
            Place("Plan", "wallet-cards", "billing_plan", Permission.BILLING_ACCOUNT_READ, "billing_plan"),
            Place("Limits", "gauge", "billing_limits", Permission.BILLING_ACCOUNT_READ, "billing_limit"),
            Place(
                "Exports",
                "file-spreadsheet",
                "billing_exports",
                Permission.BILLING_ACCOUNT_READ,
                ("billing_export", "billing_file"),
            ),
        ),
    ),
    (
        "Access",
        (
            Place("People", "users", "people", Permission.IDENTITY_MEMBER_READ, "pe"),
            Place(
                "Service accounts",
                "bot",
                "service_accounts",
                Permission.IDENTITY_SERVICE_ACCOUNT_READ,
                "service_account",
            ),
            Place("Agents", "plug-zap", "agents", Permission.PORTAL_DASHBOARD_READ, "agent"),
            Place("Tool policy", "list-checks", "policy", Permission.APPROVALS_RULE_READ, "policy"),
            Place("Roles", "shield-check", "roles", Permission.PORTAL_DASHBOARD_READ, ("roles", "bindings")),
            Place("Security", "lock-keyhole", "security", Permission.TENANT_SETTINGS_MANAGE, "security"),
        ),
    ),
)


def places_of(request: PortalRequest) -> Iterator[Group]:
    match = request.resolver_match
    here = match.url_name or "" if match else ""
    for label, places in PLACES:
        shown = [_show(place, here, request) for place in places if request.principal.allows(place.permission)]
        if shown:
            yield Group(label, shown)


def _show(place: Place, here: str, request: PortalRequest) -> Shown:
    url, waiting = reverse(f"portal:{place.name}"), numbers_of(request).get(place.waits, 0)
    return Shown(place.label, place.icon, url, here.startswith(place.rooms), waiting)
