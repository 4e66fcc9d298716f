"""What waits for the person who looks at a page, by where it waits: counted once for a page, and in one query."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, QuerySet, Value

from approvals.notifications.selectors import inbox_of
from approvals.selectors import waiting_for
from audit.selectors import open_alerts
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from msplex.portal.requests import PortalRequest

NOTIFICATIONS, APPROVALS, ALERTS = "notifications", "approvals", "alerts"


def numbers_of(request: PortalRequest) -> Mapping[str, int]:
    """Of the places that the person may see; what is not named has nothing that waits."""
    known: Mapping[str, int] | None = getattr(request, "numbers_waiting", None)
    if known is None:
        known = request.numbers_waiting = _counted(request.principal)  # type: ignore[attr-defined]
    return known


def _counted(principal: ActingPrincipal) -> Mapping[str, int]:
    rows: dict[str, QuerySet[Any]] = {NOTIFICATIONS: inbox_of(principal)}
    if principal.allows(Permission.APPROVALS_REQUEST_DECIDE):
        rows[APPROVALS] = waiting_for(principal)
    if principal.allows(Permission.AUDIT_ALERT_READ):
        rows[ALERTS] = open_alerts()
    first, *rest = (_number(name, found) for name, found in rows.items())
    return dict(first.union(*rest, all=True))


def _number(name: str, rows: QuerySet[Any]) -> QuerySet[Any, tuple[str, int]]:
    named = rows.order_by().annotate(place=Value(name)).values("place")
    numbers: QuerySet[Any, tuple[str, int]] = named.annotate(number=Count("pk")).values_list("place", "number")
    return numbers
