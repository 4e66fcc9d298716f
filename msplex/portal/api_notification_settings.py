"""The API twins of preferences and channels."""

from typing import Any
from zoneinfo import available_timezones

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.notifications.models import Delivery, NotificationChannels, NotificationPreferences, Severity
from approvals.notifications.selectors import undelivered
from approvals.notifications.settings import (
    LONGEST_WAIT,
    preferences_of,
    renew_topic,
    rotate_secret,
    set_channels,
    set_preferences,
    tenant_channels,
)
from approvals.notifications.tokens import LONGEST_TOKEN, set_ntfy_token
from identity.api_defaults import NewestFirst
from identity.api_fields import Clock, Text
from identity.permissions import Permission
from identity.rest import TenantViewSet, valid_input


class SeveritiesField(serializers.ListField):
    child = serializers.ChoiceField(choices=Severity.choices)

    def __init__(self, **given: Any) -> None:
        super().__init__(max_length=len(Severity.choices), **given)


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class PreferencesOut(serializers.ModelSerializer[NotificationPreferences]):
    quiet_from = Clock(allow_null=True)
    quiet_until = Clock(allow_null=True)
    ntfy_topic = serializers.SerializerMethodField(help_text="Empty, until preferences were set for the first time.")

    def get_ntfy_topic(self, own: NotificationPreferences) -> str:
        return "" if own._state.adding else own.ntfy_topic

    class Meta:
        model = NotificationPreferences
        fields = ("email", "ntfy", "ntfy_topic", "quiet_from", "quiet_until", "timezone", "critical_breaks_through")


class PreferencesIn(serializers.Serializer[Any]):
    email = SeveritiesField()
    ntfy = SeveritiesField()
    quiet_from = Clock(allow_null=True, default=None)
    quiet_until = Clock(allow_null=True, default=None)
    timezone = serializers.ChoiceField(choices=sorted(available_timezones()), default="UTC")
    critical_breaks_through = serializers.BooleanField(default=True)


class PreferencesViewSet(TenantViewSet):
    """One's own. Sent whole, each time."""

    serializer_class = PreferencesOut
    pagination_class = None  # type: ignore[assignment]
    queryset = NotificationPreferences.objects.none()
    required_permissions = dict.fromkeys(("list", "create", "topic"), Permission.PORTAL_DASHBOARD_READ)

    @extend_schema(responses=PreferencesOut, operation_id="notification_preferences_retrieve")
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(PreferencesOut(preferences_of(self.principal.id)).data)

    @extend_schema(request=PreferencesIn, responses={200: PreferencesOut}, operation_id="notification_preferences_set")
    def create(self, request: Request) -> Response:
        given = valid_input(PreferencesIn(data=request.data))
        return Response(PreferencesOut(set_preferences(**given, by=self.actor)).data)

    @extend_schema(request=None, responses=PreferencesOut)
    @action(detail=False, methods=["post"])
    def topic(self, request: Request) -> Response:  # noqa: ARG002
        """Another topic for the phone; the old one is not used any more."""
        return Response(PreferencesOut(renew_topic(by=self.actor)).data)


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class ChannelsOut(serializers.ModelSerializer[NotificationChannels]):
    webhook_mark = serializers.CharField(help_text="Which secret the webhook has; empty: none, so nothing is sent.")
    has_ntfy_token = serializers.SerializerMethodField()

    def get_has_ntfy_token(self, channels: NotificationChannels) -> bool:
        return channels.ntfy_token_id is not None

    class Meta:
        model = NotificationChannels
        fields = (
            "ntfy_server", "has_ntfy_token", "webhook_url", "webhook_severities", "webhook_mark", "escalate_minutes",
        )  # fmt: skip


class ChannelsIn(serializers.Serializer[Any]):
    ntfy_server = Text(max_length=200, allow_blank=True, default="")
    webhook_url = Text(max_length=500, allow_blank=True, default="")
    webhook_severities = SeveritiesField()
    escalate_minutes = serializers.IntegerField(min_value=0, max_value=LONGEST_WAIT, help_text="0: never.")


class NtfyTokenIn(serializers.Serializer[Any]):
    token = Text(max_length=LONGEST_TOKEN, allow_blank=True, write_only=True, help_text="Empty: none any more.")


class WebhookSecretIn(serializers.Serializer[Any]):
    replaces = Text(max_length=16, allow_blank=True, help_text="The mark of the present secret; empty: there is none.")


class WebhookSecretOut(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Told once, here.")
    webhook_mark = serializers.CharField()


class UndeliveredOut(serializers.ModelSerializer[Delivery]):
    notification = serializers.CharField(source="notification.title")

    class Meta:
        model = Delivery
        fields = ("id", "channel", "notification", "state", "tries", "next_try_at", "problem", "created_at")


class ChannelsViewSet(TenantViewSet):
    """The tenant's. Sent whole, each time."""

    serializer_class = ChannelsOut
    pagination_class = None  # type: ignore[assignment]
    queryset = NotificationChannels.objects.none()
    required_permissions = dict.fromkeys(
        ("list", "create", "secret", "token", "undelivered"), Permission.TENANT_SETTINGS_MANAGE
    )
    recent_mfa_actions = frozenset({"create", "secret", "token"})

    def get_queryset(self) -> QuerySet[Any]:
        return undelivered()

    @extend_schema(responses=ChannelsOut, operation_id="notification_channels_retrieve")
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(ChannelsOut(tenant_channels()).data)

    @extend_schema(request=ChannelsIn, responses={200: ChannelsOut}, operation_id="notification_channels_set")
    def create(self, request: Request) -> Response:
        given = valid_input(ChannelsIn(data=request.data))
        return Response(ChannelsOut(set_channels(**given, by=self.actor)).data)

    @extend_schema(request=WebhookSecretIn, responses=WebhookSecretOut)
    @action(detail=False, methods=["post"])
    def secret(self, request: Request) -> Response:
        given = valid_input(WebhookSecretIn(data=request.data))
        channels, secret = rotate_secret(**given, by=self.actor)
        return Response(WebhookSecretOut({"secret": secret, "webhook_mark": channels.webhook_mark}).data)

    @extend_schema(request=NtfyTokenIn, responses=ChannelsOut)
    @action(detail=False, methods=["post"])
    def token(self, request: Request) -> Response:
        """With which messages are published, where the server asks for one. For the server that is named now."""
        given = valid_input(NtfyTokenIn(data=request.data))
        return Response(ChannelsOut(set_ntfy_token(**given, by=self.actor)).data)

    @extend_schema(responses=UndeliveredOut(many=True))
    @action(detail=False, methods=["get"], pagination_class=NewestFirst)
    def undelivered(self, request: Request) -> Response:  # noqa: ARG002
        """What could not be sent, or not yet; the latest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(UndeliveredOut(page, many=True).data)


routes = [
    ("notification-preferences", PreferencesViewSet, "notification-preference"),
    ("notification-channels", ChannelsViewSet, "notification-channel"),
]
