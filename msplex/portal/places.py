"""Where a signed-in person can go. A place they may not enter is not shown."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse

from identity.permissions import Permission
from msplex.portal.requests import PortalRequest


@dataclass(frozen=True, slots=True)
class Place:
    label: str
    icon: str
    name: str
    permission: Permission
    rooms: str | tuple[str, ...]  # the beginnings of the names of its rooms, for "you are here"


@dataclass(frozen=True, slots=True)
class Shown:
    label: str
    icon: str
    url: str
    current: bool


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
            Place("Tool calls", "activity", "calls", Permission.GATEWAY_CALL_READ, "call"),
            Place("Audit", "scroll-text", "audit", Permission.AUDIT_EVENT_READ, "audit"),
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
            Place("Roles", "shield-check", "roles", Permission.PORTAL_DASHBOARD_READ, ("roles", "bindings")),
            Place("Security", "lock-keyhole", "security", Permission.TENANT_SETTINGS_MANAGE, "security"),
        ),
    ),
)


def places_of(request: PortalRequest) -> Iterator[Group]:
    match = request.resolver_match
    here = match.url_name or "" if match else ""
    for label, places in PLACES:
        shown = [_show(place, here) for place in places if request.principal.allows(place.permission)]
        if shown:
            yield Group(label, shown)


def _show(place: Place, here: str) -> Shown:
    return Shown(place.label, place.icon, reverse(f"portal:{place.name}"), here.startswith(place.rooms))
