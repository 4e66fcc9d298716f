"""What lists of notifications can be narrowed by."""

import django_filters as filters
from django.db.models import QuerySet

from approvals.notifications.models import Notification, Recipient, Severity
from approvals.notifications.selectors import waiting

SHOWN = (("waiting", "Waiting for me"), ("snoozed", "Put off"), ("done", "Acknowledged or over"))


class NotificationFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    show = filters.ChoiceFilter(choices=SHOWN, method="by_show", label="Show", empty_label="All")
    severity = filters.ChoiceFilter(
        field_name="notification__severity", choices=Severity.choices, label="Severity", empty_label="Any"
    )
    customer = filters.UUIDFilter(field_name="notification__customer_id", label="One customer")

    class Meta:
        model = Recipient
        fields: tuple[str, ...] = ()

    def by_show(self, rows: QuerySet[Recipient], name: str, value: str) -> QuerySet[Recipient]:  # noqa: ARG002
        if value == "waiting":
            return rows.filter(waiting())
        is_open = {"notification__state": Notification.State.OPEN, "acknowledged_at": None}
        return rows.filter(**is_open).exclude(waiting()) if value == "snoozed" else rows.exclude(**is_open)
