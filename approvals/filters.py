"""What lists of requests can be narrowed by. An id that is unknown, or out of sight, fits nothing."""

from datetime import UTC, datetime
from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet

from approvals.models import ApprovalRequest, HeldGrant
from approvals.selectors import decided, requests_of, waiting_for
from identity.principals import ActingPrincipal

SHOWN = (
    ("waiting", "Waiting for me"),
    ("mine", "Asked by me or for me"),
    ("open", "Open"),
    ("decided", "Over"),
)


class RequestFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    show = filters.ChoiceFilter(choices=SHOWN, method="by_show", label="Show", empty_label="All")
    state = filters.ChoiceFilter(choices=ApprovalRequest.State.choices, label="State", empty_label="Any")
    customer = filters.UUIDFilter(field_name="customer_id", label="One customer")

    class Meta:
        model = ApprovalRequest
        fields: tuple[str, ...] = ()

    def by_show(self, rows: QuerySet[ApprovalRequest], name: str, value: str) -> QuerySet[ApprovalRequest]:  # noqa: ARG002
        if value == "open":
            return rows.filter(_open())
        if value == "decided":
            chosen = decided()
        else:
            chosen = (waiting_for if value == "waiting" else requests_of)(_principal(self.request))
        return rows.filter(pk__in=chosen.order_by().values("pk"))


class HeldGrantFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = filters.ChoiceFilter(choices=HeldGrant.State.choices, label="State", empty_label="Any")
    customer = filters.UUIDFilter(field_name="customer_id", label="One customer")

    class Meta:
        model = HeldGrant
        fields: tuple[str, ...] = ()


def _open() -> Q:
    """Whose clock still runs, whether or not the sweep has been there."""
    now = datetime.now(UTC)
    return Q(state="pending", decide_by__gt=now) | Q(state="approved", execute_by__gt=now) | Q(state="executing")


def _principal(request: Any) -> ActingPrincipal:
    """Django's request, or DRF's around it."""
    principal: ActingPrincipal = getattr(request, "_request", request).principal
    return principal
