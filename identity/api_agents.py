"""The API of agent sessions: the portal's page about agents, with the same permission."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from identity import services
from identity.models import AgentSession
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.selectors import visible_agent_sessions


class AgentSessionOut(serializers.ModelSerializer[AgentSession]):
    client = serializers.CharField(source="application.name")
    published_by = serializers.CharField(
        source="application.vouched_for_by", help_text="The host that vouches for the client; empty: unverified."
    )
    user = serializers.UUIDField(source="user_id")
    user_email = serializers.EmailField(source="user.email")
    customer = serializers.UUIDField(source="customer_id", allow_null=True)

    class Meta:
        model = AgentSession
        fields = (
            "id", "client", "published_by", "user", "user_email", "customer", "cross_customer", "scope",
            "created_at", "first_used_at", "last_used_at", "expires_at",
        )  # fmt: skip


class AgentSessionViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    """One's own; for those who may see people, everybody's."""

    serializer_class = AgentSessionOut
    required_permissions = {
        "list": Permission.PORTAL_DASHBOARD_READ,
        "retrieve": Permission.PORTAL_DASHBOARD_READ,
        "end": Permission.PORTAL_DASHBOARD_READ,
    }

    def get_queryset(self) -> QuerySet[AgentSession]:
        if getattr(self, "swagger_fake_view", False):
            return AgentSession.objects.none()
        return visible_agent_sessions(self.request.user)  # type: ignore[arg-type]  # our authentication's

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.end_agent_session(self.get_object().pk, by=self.actor)
        return Response(status=204)
