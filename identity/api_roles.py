"""Who has which role."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from identity.models import RoleBinding
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.selectors import ENDINGS, ending, role_bindings
from identity.serializers import ROLE_CHOICES, BindingOut


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
        given = {name: value for name, value in self.request.query_params.items() if value}
        narrowing = _Narrowing(data=given)
        narrowing.is_valid(raise_exception=True)
        wanted = dict(narrowing.validated_data)
        when = wanted.pop("ends", "")
        rows = role_bindings().filter(**wanted)
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
