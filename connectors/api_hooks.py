"""A connection's webhook over the API. Its secret is in the answer that makes it, and nowhere else."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.hooks import address_of, make_hook, mark_of, remove_hook, rotate_hook
from connectors.models import Hook
from connectors.selectors import hook_of
from identity.api_fields import Text
from identity.permissions import Permission
from identity.rest import TenantViewSet, valid_input
from tenants.errors import NotFound


class HookOut(serializers.ModelSerializer[Hook]):
    url = serializers.SerializerMethodField()
    mark = serializers.SerializerMethodField(help_text="Of the secret of now; `replaces` of a rotation.")

    class Meta:
        model = Hook
        fields = (
            "url", "mark", "way", "created_at", "created_by", "rotated_at", "delivered_at", "kept", "unmapped",
            "unreadable", "refused", "refused_at",
        )  # fmt: skip

    def get_url(self, hook: Hook) -> str:
        return address_of(hook)

    def get_mark(self, hook: Hook) -> str:
        return mark_of(hook)


class HookIn(serializers.Serializer[Any]):
    way = Text(max_length=16)


class RotateHookIn(serializers.Serializer[Any]):
    replaces = Text(max_length=16)


class NewHookOut(serializers.Serializer[Any]):
    hook = HookOut()
    secret = serializers.CharField()


class InstanceHooks(TenantViewSet):
    """Actions of a connection, for InstanceViewSet."""

    hook_permissions = {
        "webhook": Permission.CONNECTORS_INSTANCE_MANAGE,
        "make_webhook": Permission.CONNECTORS_INSTANCE_MANAGE,
        "rotate_webhook": Permission.CONNECTORS_INSTANCE_MANAGE,
        "remove_webhook": Permission.CONNECTORS_INSTANCE_MANAGE,
    }
    hooks_confirmed = frozenset({"make_webhook", "rotate_webhook", "remove_webhook"})

    @extend_schema(responses=HookOut, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def webhook(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return Response(HookOut(self._hook()).data)

    @extend_schema(request=HookIn, responses={201: NewHookOut})
    @webhook.mapping.post
    def make_webhook(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        instance = self.get_object()
        hook, secret = make_hook(instance, **valid_input(HookIn(data=request.data)), by=self.actor)
        return Response(NewHookOut({"hook": hook, "secret": secret}).data, status=201)

    @extend_schema(request=None, responses={204: None})
    @webhook.mapping.delete
    def remove_webhook(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        remove_hook(self._hook(), by=self.actor)
        return Response(status=204)

    @extend_schema(request=RotateHookIn, responses=NewHookOut)
    @action(detail=True, methods=["post"], url_path="webhook/rotate")
    def rotate_webhook(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found = self._hook()
        hook, secret = rotate_hook(found, **valid_input(RotateHookIn(data=request.data)), by=self.actor)
        return Response(NewHookOut({"hook": hook, "secret": secret}).data)

    def _hook(self) -> Hook:
        found = hook_of(self.get_object())
        if found is None:
            raise NotFound
        return found
