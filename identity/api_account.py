"""The own account, for a person in their own browser session. Tokens act for people, and do not change who they are."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit.models import Event
from audit.selectors import events_about
from identity import services
from identity.api_defaults import NewestFirst
from identity.api_fields import Text
from identity.errors import CodeRefused, PasswordRefused
from identity.models import User
from identity.permissions import Permission
from identity.responses import committed
from identity.rest import TenantViewSet
from identity.serializers import BindingOut
from identity.services.authority import whole_tenant


class EventOut(serializers.ModelSerializer[Event]):
    actor = serializers.UUIDField(source="actor_id", allow_null=True)
    subject = serializers.UUIDField(source="subject_id", allow_null=True)
    facts = serializers.DictField(help_text="actor_label, subject_label, address; before and after, reason, and others")

    class Meta:
        model = Event
        fields = ("id", "occurred_at", "kind", "result", "actor_kind", "actor", "subject_kind", "subject", "facts")


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class AccountOut(serializers.ModelSerializer[User]):
    bindings = BindingOut(source="principal.bindings", many=True)

    class Meta:
        model = User
        fields = ("id", "email", "name", "bindings")


class NameIn(serializers.Serializer[Any]):
    name = Text(max_length=200)


class PasswordIn(serializers.Serializer[Any]):
    current = Text(max_length=128, trim_whitespace=False, write_only=True)
    new = Text(max_length=128, trim_whitespace=False, write_only=True)


class EmailIn(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    current = Text(max_length=128, trim_whitespace=False, write_only=True)


class CodeIn(serializers.Serializer[Any]):
    code = Text(max_length=40, write_only=True)


class EnrolmentOut(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="For the new app; the old one works until its first code is confirmed.")
    url = serializers.CharField(help_text="The same for a QR code.")


class CodesOut(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Shown in this answer only.")


class AccountViewSet(TenantViewSet):
    serializer_class = AccountOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = dict.fromkeys(
        ("list", "rename", "password", "email", "authenticator", "confirm_authenticator", "recovery_codes", "events"),
        Permission.PORTAL_DASHBOARD_READ,
    )
    recent_mfa_actions = frozenset({"email", "authenticator", "confirm_authenticator", "recovery_codes"})

    @property
    def own(self) -> services.Own:
        request: Any = self.request._request
        return services.Own.of(request.principal, request.actor)

    def handle_exception(self, exc: Exception) -> Response:
        """A wrong password or code was counted, and stays so."""
        response = super().handle_exception(exc)
        return committed(response) if isinstance(exc, PasswordRefused | CodeRefused) else response

    @extend_schema(responses=AccountOut, operation_id="account_retrieve")
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(AccountOut(self.own.user).data)

    @extend_schema(request=NameIn, responses=AccountOut)
    @action(detail=False, methods=["post"], url_path="name")
    def rename(self, request: Request) -> Response:
        own = self.own
        services.rename(own, **_valid(NameIn(data=request.data)))
        return Response(AccountOut(own.user).data)

    @extend_schema(request=PasswordIn, responses={204: None})
    @action(detail=False, methods=["post"])
    def password(self, request: Request) -> Response:
        services.change_password(self.own, **_valid(PasswordIn(data=request.data)))
        return Response(status=204)

    @extend_schema(request=EmailIn, responses={204: None}, description="Sends a link to the new address.")
    @action(detail=False, methods=["post"])
    def email(self, request: Request) -> Response:
        services.request_email_change(self.own, **_valid(EmailIn(data=request.data)))
        return Response(status=204)

    @extend_schema(request=None, responses=EnrolmentOut)
    @action(detail=False, methods=["post"])
    def authenticator(self, request: Request) -> Response:  # noqa: ARG002
        enrolment = services.begin_renewal(self.own)
        return Response({"secret": enrolment.secret, "url": enrolment.url}, headers={"Cache-Control": "no-store"})

    @extend_schema(request=CodeIn, responses={204: None})
    @action(detail=False, methods=["post"], url_path="authenticator/confirm", url_name="confirm")
    def confirm_authenticator(self, request: Request) -> Response:
        services.confirm_renewal(self.own, _valid(CodeIn(data=request.data))["code"])
        return Response(status=204)

    @extend_schema(request=None, responses={201: CodesOut})
    @action(detail=False, methods=["post"], url_path="recovery-codes", url_name="codes")
    def recovery_codes(self, request: Request) -> Response:  # noqa: ARG002
        codes = services.renew_recovery_codes(self.own)
        return Response({"recovery_codes": codes}, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(responses=EventOut(many=True))
    @action(detail=False, methods=["get"], pagination_class=NewestFirst)
    def events(self, request: Request) -> Response:  # noqa: ARG002
        """What was done to the own account, also for the whole tenant."""
        with whole_tenant():
            page = self.paginate_queryset(events_about(self.own.user.pk))
        return self.get_paginated_response(EventOut(page, many=True).data)


def _valid(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found
