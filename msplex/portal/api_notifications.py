"""The API twins of the notification centre: one's own, and nobody else's."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.notifications.filters import NotificationFilter
from approvals.notifications.links import url_of
from approvals.notifications.models import Recipient
from approvals.notifications.selectors import inbox_of, notifications_for
from approvals.notifications.services import SNOOZES, acknowledge, snooze
from identity.permissions import Permission
from identity.rest import TenantViewSet, valid_input


class NotificationOut(serializers.ModelSerializer[Recipient]):
    kind = serializers.CharField(source="notification.kind")
    severity = serializers.CharField(source="notification.severity")
    key = serializers.CharField(source="notification.key", help_text="What makes two events one notification.")
    title = serializers.CharField(source="notification.title")
    text = serializers.CharField(source="notification.text")
    customer = serializers.UUIDField(source="notification.customer_id", allow_null=True)
    shared = serializers.BooleanField(source="notification.shared", help_text="One person is enough to see to it.")
    state = serializers.CharField(source="notification.state")
    times = serializers.IntegerField(source="notification.times")
    first_at = serializers.DateTimeField(source="notification.first_at")
    last_at = serializers.DateTimeField(source="notification.last_at")
    ended_at = serializers.DateTimeField(source="notification.ended_at", allow_null=True)
    ended_by = serializers.CharField(source="notification.ended_by", help_text="Who has seen to it, if somebody has.")
    escalated_at = serializers.DateTimeField(source="notification.escalated_at", allow_null=True)
    link = serializers.SerializerMethodField(help_text="The page in the portal that it is about.")

    class Meta:
        model = Recipient
        fields = (
            "id", "kind", "severity", "key", "title", "text", "customer", "shared", "state", "times", "first_at",
            "last_at", "ended_at", "ended_by", "escalated_at", "acknowledged_at", "snoozed_until", "link",
        )  # fmt: skip

    def get_link(self, recipient: Recipient) -> str:
        return url_of(recipient.notification)


class SnoozeIn(serializers.Serializer[Any]):
    how_long = serializers.ChoiceField(choices=list(SNOOZES))


class WaitingOut(serializers.Serializer[Any]):
    waiting = serializers.IntegerField(help_text="How many wait for you.")


class NotificationViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = NotificationOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = NotificationFilter
    required_permissions = dict.fromkeys(
        ("list", "retrieve", "waiting", "acknowledge", "snooze"), Permission.PORTAL_DASHBOARD_READ
    )

    def get_queryset(self) -> QuerySet[Recipient]:
        if getattr(self, "swagger_fake_view", False):  # the description is made without anybody asking
            return Recipient.objects.none()
        return notifications_for(self.principal)

    @extend_schema(responses=WaitingOut)
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=())
    def waiting(self, request: Request) -> Response:  # noqa: ARG002
        return Response(WaitingOut({"waiting": inbox_of(self.principal).count()}).data)

    @extend_schema(request=None, responses=NotificationOut)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return Response(NotificationOut(acknowledge(self.get_object(), by=self.actor)).data)

    @extend_schema(request=SnoozeIn, responses=NotificationOut)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found, given = self.get_object(), valid_input(SnoozeIn(data=request.data))
        return Response(NotificationOut(snooze(found, **given, by=self.actor)).data)


routes = [("notifications", NotificationViewSet, "notification")]
