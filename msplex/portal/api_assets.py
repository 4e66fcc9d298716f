"""Assets over the API: the portal's room, with the same permission."""

from typing import Any

from rest_framework import serializers
from rest_framework.mixins import ListModelMixin

from billing.filters import AssetFilter
from billing.selectors import assets
from identity.permissions import Permission
from identity.rest import TenantViewSet
from tenants.models import Asset


class AssetOut(serializers.ModelSerializer[Asset]):
    customer = serializers.UUIDField(source="customer_id")

    class Meta:
        model = Asset
        fields = ("id", "customer", "kind", "name", "external_ref", "active", "created_at")


class AssetViewSet(ListModelMixin, TenantViewSet):
    """What is managed for each customer. Those that are active count in the billing overview."""

    serializer_class = AssetOut
    filterset_class = AssetFilter
    required_permissions = {"list": Permission.BILLING_ACCOUNT_READ}

    def get_queryset(self) -> Any:
        return assets()


routes = [("billing-assets", AssetViewSet, "billing-asset")]
