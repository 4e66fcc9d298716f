"""The API twins of the rooms that belong to no app alone: the dashboard, and the catalogue of roles."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import ConnectorInstance
from identity.matrix import SURFACES, Bearer, Surface
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.rest import TenantViewSet
from identity.roles import ROLES, Role
from msplex.portal.selectors import overview


class CountsOut(serializers.Serializer[Any]):
    today = serializers.IntegerField()
    week = serializers.IntegerField()
    refused_today = serializers.IntegerField()
    failed_today = serializers.IntegerField(help_text="Those whose outcome is unknown are among them.")
    withheld_week = serializers.IntegerField(
        allow_null=True, help_text="Rows of other customers. Null for those who do not see every customer."
    )


class RefusalsOut(serializers.Serializer[Any]):
    gate = serializers.CharField()
    count = serializers.IntegerField()


class ConnectionOut(serializers.ModelSerializer[ConnectorInstance]):
    class Meta:
        model = ConnectorInstance
        fields = ("id", "name", "state", "health", "health_checked_at")


class ProgressOut(serializers.Serializer[Any]):
    customer = serializers.BooleanField(help_text="There is one.")
    active = serializers.BooleanField(help_text="A connection is active.")
    mapped = serializers.BooleanField(help_text="A customer is mapped.")
    automation = serializers.BooleanField(help_text="A service account is there to call.")


class DashboardOut(serializers.Serializer[Any]):
    """What the caller may not see is null."""

    counts = CountsOut(allow_null=True)
    refusals = RefusalsOut(many=True, allow_null=True, help_text="Of the last seven days, by gate.")
    connections = ConnectionOut(source="instances", many=True, allow_null=True)
    progress = ProgressOut(allow_null=True, help_text="On the way to the first call; for those who can go it.")


class SurfaceOut(serializers.Serializer[Any]):
    group = serializers.CharField()
    name = serializers.CharField()
    tenant_wide = serializers.BooleanField(help_text="With the role for the whole tenant.")
    for_customer = serializers.BooleanField(help_text="With the role for one customer, within it.")
    recent_second_factor = serializers.BooleanField(help_text="It needs one of the last 15 minutes.")


class RoleOut(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=[role.value for role in Role])
    label = serializers.CharField()
    description = serializers.CharField()
    customer_scoped = serializers.BooleanField(help_text="Always for one customer.")
    tenant_wide_only = serializers.BooleanField(help_text="Never for one customer.")
    permissions = serializers.ListField(child=serializers.CharField())
    surfaces = SurfaceOut(many=True, help_text="What it can do, where it is bound.")


class DashboardViewSet(TenantViewSet):
    serializer_class = DashboardOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"list": Permission.PORTAL_DASHBOARD_READ}

    @extend_schema(responses=DashboardOut, operation_id="dashboard_retrieve")
    def list(self, request: Request) -> Response:
        principal: ActingPrincipal = request._request.principal  # type: ignore[attr-defined]
        return Response(DashboardOut(overview(principal, timezone.now())).data)


class RoleViewSet(TenantViewSet):
    """The catalogue is code and short, so it comes in one piece."""

    serializer_class = RoleOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"list": Permission.PORTAL_DASHBOARD_READ}

    @extend_schema(responses=RoleOut(many=True))
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(RoleOut([_role(role) for role in Role], many=True).data)


def _role(role: Role) -> dict[str, Any]:
    definition = ROLES[role]
    return {
        "role": role,
        **asdict(definition),
        "permissions": sorted(definition.permissions),
        "surfaces": [_surface(each, role) for each in SURFACES],
    }


def _surface(surface: Surface, role: Role) -> dict[str, Any]:
    return {
        "group": surface.group,
        "name": surface.label,
        "tenant_wide": Bearer(role) in surface.bearers,
        "for_customer": Bearer(role, for_customer=True) in surface.bearers,
        "recent_second_factor": bool(surface.confirmed),
    }


routes = [
    ("dashboard", DashboardViewSet, "dashboard"),
    ("roles", RoleViewSet, "role"),
]
