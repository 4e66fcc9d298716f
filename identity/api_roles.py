"""The catalogue of roles, what each can do, and who has which."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from identity.matrix import BEARERS, SURFACES, Bearer, Surface
from identity.models import RoleBinding
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.roles import ROLES
from identity.selectors import ENDINGS, ending, role_bindings
from identity.serializers import ROLE_CHOICES, BindingOut


class SurfaceOut(serializers.Serializer[Any]):
    group = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the field of that name, not the serializer's own
    needs_recent_second_factor = serializers.SerializerMethodField()

    def get_needs_recent_second_factor(self, surface: Surface) -> bool:
        return bool(surface.confirmed)


class RoleOut(serializers.Serializer[Any]):
    """A role as it can be given: `for_customer` for one, otherwise for the whole tenant."""

    role = serializers.CharField(source="role.value")
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.SerializerMethodField()
    for_customer = serializers.BooleanField()
    permissions = serializers.SerializerMethodField()
    surfaces = serializers.SerializerMethodField()

    def get_description(self, bearer: Bearer) -> str:
        return ROLES[bearer.role].description

    def get_permissions(self, bearer: Bearer) -> list[str]:
        return sorted(ROLES[bearer.role].carries(customer_scoped=bearer.for_customer))

    @extend_schema_field(SurfaceOut(many=True))
    def get_surfaces(self, bearer: Bearer) -> list[dict[str, Any]]:
        return list(SurfaceOut([each for each in SURFACES if bearer in each.bearers], many=True).data)


class RoleViewSet(TenantViewSet):
    """The catalogue is code and short, so it comes in one piece."""

    serializer_class = RoleOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"list": Permission.PORTAL_DASHBOARD_READ}

    @extend_schema(responses=RoleOut(many=True))
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(RoleOut(BEARERS, many=True).data)


class GivenOut(BindingOut):
    principal = serializers.UUIDField(source="principal_id")
    principal_kind = serializers.CharField(source="principal.kind")
    principal_label = serializers.CharField(source="principal.label")

    class Meta(BindingOut.Meta):
        fields = (*BindingOut.Meta.fields, "principal", "principal_kind", "principal_label")  # type: ignore[assignment]


class _Narrowing(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=ROLE_CHOICES, required=False)
    customer = serializers.UUIDField(required=False)
    principal = serializers.UUIDField(required=False)
    ends = serializers.ChoiceField(choices=ENDINGS, required=False)


class BindingViewSet(ListModelMixin, TenantViewSet):
    """Who has which role, as far as the caller sees people and service accounts."""

    serializer_class = GivenOut
    required_permissions = {"list": Permission.IDENTITY_MEMBER_READ}

    def get_queryset(self) -> QuerySet[RoleBinding]:
        narrowing = _Narrowing(data=self.request.query_params.dict())
        narrowing.is_valid(raise_exception=True)
        given = dict(narrowing.validated_data)
        when = given.pop("ends", "")
        rows = role_bindings().filter(**given)
        return ending(rows, when) if when else rows

    @extend_schema(
        parameters=[
            OpenApiParameter("role", enum=[role for role, _ in ROLE_CHOICES]),
            OpenApiParameter("customer", OpenApiTypes.UUID),
            OpenApiParameter("principal", OpenApiTypes.UUID),
            OpenApiParameter("ends", enum=[when for when, _ in ENDINGS]),
        ]
    )
    def list(self, request: Request) -> Response:
        return super().list(request)
