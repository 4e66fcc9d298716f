"""The API twins of the rooms that belong to no app alone: the dashboard, and the catalogue of roles."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import ConnectorInstance
from identity.matrix import SURFACES, Bearer, Surface
from identity.permissions import Permission
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
    longest_wait_ms = serializers.IntegerField(
        allow_null=True, help_text="Of today's calls, from the record until a broker had it. Null if none has run."
    )


class RefusalsOut(serializers.Serializer[Any]):
    gate = serializers.CharField()
    count = serializers.IntegerField()
    days = serializers.ListField(child=serializers.IntegerField(), help_text="Of each day by UTC, the oldest first.")


class ConnectionOut(serializers.ModelSerializer[ConnectorInstance]):
    state = serializers.CharField()
    health = serializers.CharField()

    class Meta:
        model = ConnectorInstance
        fields = ("id", "name", "state", "health", "health_checked_at")


class SignalsOut(serializers.Serializer[Any]):
    """Open, for the customers in scope."""

    alert = serializers.IntegerField()
    sla = serializers.IntegerField(help_text="Tickets out of their service level.")
    devices = serializers.IntegerField(help_text="How many there are.")
    cves = serializers.IntegerField(help_text="Known vulnerabilities of devices, rated high or critical.")


class ProgressOut(serializers.Serializer[Any]):
    customer = serializers.BooleanField(help_text="There is one.")
    active = serializers.BooleanField(help_text="A connection is active.")
    mapped = serializers.BooleanField(help_text="A customer is mapped.")
    automation = serializers.BooleanField(help_text="A service account is there to call.")


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class DashboardOut(serializers.Serializer[Any]):
    """What the caller may not see is null."""

    counts = CountsOut(allow_null=True)
    refusals = RefusalsOut(many=True, allow_null=True, help_text="Of the last seven days, by gate.")
    connections = ConnectionOut(source="instances", many=True, allow_null=True)
    signals = SignalsOut(allow_null=True)
    progress = ProgressOut(allow_null=True, help_text="On the way to the first call; for those who can go it.")


class SurfaceOut(serializers.Serializer[Any]):
    group = serializers.CharField()
    name = serializers.CharField()
    everywhere = serializers.BooleanField(help_text="With the role for the whole MSP.")
    for_customer = serializers.BooleanField(help_text="With the role for one customer, within it.")
    recent_second_factor = serializers.BooleanField(help_text="It needs one of the last 15 minutes.")


class RoleOut(serializers.Serializer[Any]):
    role = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # DRF's own fields have one for forms
    description = serializers.CharField()
    reach = serializers.ChoiceField(
        choices=["one customer", "whole MSP", "either"], help_text="What it can be given for."
    )
    permissions = serializers.ListField(child=serializers.CharField())
    surfaces = SurfaceOut(many=True, help_text="What it can do, where it is bound.")


class DashboardViewSet(TenantViewSet):
    serializer_class = DashboardOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"list": Permission.PORTAL_DASHBOARD_READ}

    @extend_schema(responses=DashboardOut, operation_id="dashboard_retrieve")
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(DashboardOut(overview(self.principal, timezone.now())).data)


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
    reach = "one customer" if definition.customer_scoped else "whole MSP" if definition.tenant_wide_only else "either"
    surfaces = [_surface(each, role) for each in SURFACES]
    said = {"label": definition.label, "description": definition.description}
    return {"role": role, **said, "reach": reach, "permissions": sorted(definition.permissions), "surfaces": surfaces}


def _surface(surface: Surface, role: Role) -> dict[str, Any]:
    return {
        "group": surface.group,
        "name": surface.label,
        "everywhere": Bearer(role) in surface.bearers,
        "for_customer": Bearer(role, for_customer=True) in surface.bearers,
        "recent_second_factor": bool(surface.confirmed),
    }


routes = [
    ("dashboard", DashboardViewSet, "dashboard"),
    ("roles", RoleViewSet, "role"),
]
