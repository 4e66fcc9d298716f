"""Customers' own limits over the API: the portal's rooms, with the same permissions."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from billing.limits import MOST_A_MINUTE, MOST_CALLS, limit_customer, limits
from identity.permissions import Permission
from identity.rest import TenantViewSet, valid_input
from tenants.models import Customer


class LimitOut(serializers.ModelSerializer[Customer]):
    used = serializers.IntegerField(help_text="Calls of this calendar month (UTC), of all connectors.")

    class Meta:
        model = Customer
        fields = ("id", "key", "name", "monthly_calls", "calls_per_minute", "used")


class LimitIn(serializers.Serializer[Any]):
    monthly_calls = serializers.IntegerField(
        min_value=0, max_value=MOST_CALLS, allow_null=True, help_text="Null: as many as the plan has."
    )
    calls_per_minute = serializers.IntegerField(
        min_value=1, max_value=MOST_A_MINUTE, allow_null=True, required=False,
        help_text="Null: as many as the plan has. Not said: as it is.",
    )  # fmt: skip


class LimitViewSet(ListModelMixin, TenantViewSet):
    """Of active customers, by name: the calls that each may use in a month, and has, and in a minute."""

    serializer_class = LimitOut
    required_permissions = {"list": Permission.BILLING_ACCOUNT_READ, "update": Permission.BILLING_PRICE_MANAGE}
    recent_mfa_actions = frozenset({"update"})

    def get_queryset(self) -> Any:
        return limits()

    @extend_schema(request=LimitIn, responses=LimitOut)
    def update(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        """Holds for the customer's next call."""
        customer = self.get_object()
        kept = {"calls_per_minute": customer.calls_per_minute}
        limit_customer(customer, **kept | valid_input(LimitIn(data=request.data)), by=self.actor)
        return Response(LimitOut(self.get_object()).data)


routes = [("billing-limits", LimitViewSet, "billing-limit")]
