"""What each list can be narrowed by."""

from typing import Any

import django_filters as filters
from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from approvals.filters import HeldGrantFilter, RequestFilter
from approvals.notifications.filters import NotificationFilter
from billing import filters as billing
from connectors import filters as calls
from connectors.models import ImportedTool
from identity.models import Invitation, RoleBinding, ServiceAccount, User
from identity.selectors import ENDINGS, ending, invitations_in
from identity.serializers import ROLE_CHOICES
from msplex.portal.gates import LABELS
from tenants.models import Customer
from tenants.selectors import customers

PRINCIPAL_STATES = (("active", "Active"), ("disabled", "Disabled"))
SEARCH = forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"})


def customers_to_choose(request: HttpRequest | None) -> QuerySet[Customer]:  # noqa: ARG001 -- django-filter's signature
    return customers()


def _by_disabled(rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:  # noqa: ARG001
    return rows.filter(principal__disabled_at__isnull=value == "active")


class Narrowing(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """A value that cannot be meant is said beside its field and shows nothing, not everything."""

    @property
    def qs(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().qs if self.form.is_valid() else self.queryset.none()
        return rows


class BindingFilter(Narrowing):
    q = filters.CharFilter(field_name="principal__label", lookup_expr="icontains", label="Search", widget=SEARCH)
    role = filters.ChoiceFilter(choices=ROLE_CHOICES, label="Role", empty_label="Any")
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")
    ends = filters.ChoiceFilter(choices=ENDINGS, method="ending", label="Ends", empty_label="Any")

    class Meta:
        model = RoleBinding
        fields: tuple[str, ...] = ()

    def ending(self, rows: QuerySet[RoleBinding], name: str, value: str) -> QuerySet[RoleBinding]:  # noqa: ARG002
        return ending(rows, value)


class CallFilter(Narrowing, calls.CallFilter):
    """That of the API, for people to choose from."""

    gate = filters.ChoiceFilter(choices=list(LABELS.items()), label="Gate", empty_label="Any")
    tool = filters.CharFilter(lookup_expr="startswith", label="Tool", widget=SEARCH)
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")
    caller = filters.CharFilter(field_name="principal_label", lookup_expr="icontains", label="Caller", widget=SEARCH)
    principal = filters.UUIDFilter(field_name="principal_id", label="One caller", widget=forms.HiddenInput)
    instance = filters.UUIDFilter(field_name="instance_id", label="One connection", widget=forms.HiddenInput)


class ApprovalFilter(Narrowing, RequestFilter):
    """That of the API, for people to choose from."""

    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")


class GrantFilter(Narrowing, HeldGrantFilter):
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")


class NotificationsFilter(Narrowing, NotificationFilter):
    """That of the API, for people to choose from."""

    customer = filters.ModelChoiceFilter(
        field_name="notification__customer", queryset=customers_to_choose, label="Customer", empty_label="Any"
    )


class SignalFilter(Narrowing, calls.SignalFilter):
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")
    instance = filters.UUIDFilter(field_name="instance_id", label="One connection", widget=forms.HiddenInput)


class AssetFilter(Narrowing, billing.AssetFilter):
    q = filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", widget=SEARCH)
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")
    active = filters.ChoiceFilter(
        choices=(("true", "Active"), ("false", "Not active")), label="State", empty_label="Any"
    )


class ToolFilter(Narrowing):
    """Of one connection's imported tools: a description may have hundreds."""

    q = filters.CharFilter(field_name="name", lookup_expr="icontains", label="Search", widget=SEARCH)
    state = filters.ChoiceFilter(choices=ImportedTool.State.choices, label="State", empty_label="Any")

    class Meta:
        model = ImportedTool
        fields: tuple[str, ...] = ()


class CustomerFilter(Narrowing):
    q = filters.CharFilter(method="search", label="Search", widget=SEARCH)
    status = filters.ChoiceFilter(choices=Customer.Status.choices, label="Status", empty_label="Any")

    class Meta:
        model = Customer
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:  # noqa: ARG002
        return rows.filter(Q(name__icontains=value) | Q(key__icontains=value))


class PeopleFilter(Narrowing):
    q = filters.CharFilter(method="search", label="Search", widget=SEARCH)
    status = filters.ChoiceFilter(choices=PRINCIPAL_STATES, method=_by_disabled, label="Status", empty_label="Any")

    class Meta:
        model = User
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:  # noqa: ARG002
        return rows.filter(Q(name__icontains=value) | Q(email__icontains=value))


INVITATION_STATES = (
    ("pending", "Pending"),
    ("expired", "Expired"),
    ("accepted", "Accepted"),
    ("withdrawn", "Withdrawn"),
)


class InvitationFilter(Narrowing):
    q = filters.CharFilter(field_name="email", lookup_expr="icontains", label="Search", widget=SEARCH)
    status = filters.ChoiceFilter(choices=INVITATION_STATES, method="by_state", label="Status", empty_label="Any")

    class Meta:
        model = Invitation
        fields: tuple[str, ...] = ()

    def by_state(self, rows: QuerySet[Invitation], name: str, value: str) -> QuerySet[Invitation]:  # noqa: ARG002
        return invitations_in(rows, value)


class ServiceAccountFilter(Narrowing):
    q = filters.CharFilter(method="search", label="Search", widget=SEARCH)
    status = filters.ChoiceFilter(choices=PRINCIPAL_STATES, method=_by_disabled, label="Status", empty_label="Any")

    class Meta:
        model = ServiceAccount
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[ServiceAccount], name: str, value: str) -> QuerySet[ServiceAccount]:  # noqa: ARG002
        return rows.filter(Q(name__icontains=value) | Q(purpose__icontains=value))
