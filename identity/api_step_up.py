from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from identity import services, step_up
from identity.api_fields import Text
from identity.api_keys import CeremonyOut
from identity.errors import CodeRefused, PasskeyRefused, SecondFactorImpossible
from identity.models import Session
from identity.permissions import Permission
from identity.responses import committed
from identity.rest import TenantViewSet, problem
from identity.step_up import RECENT
from tenants.errors import DomainError


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class SecondFactorOut(serializers.Serializer[Session]):
    method = serializers.CharField(source="mfa_method")
    confirmed_at = serializers.DateTimeField(source="mfa_at")
    recent_until = serializers.SerializerMethodField()
    is_recent = serializers.SerializerMethodField(help_text="Actions that need a recent second factor are open now.")

    @extend_schema_field(OpenApiTypes.DATETIME)
    def get_recent_until(self, session: Session) -> str:
        return (session.mfa_at + RECENT).isoformat()

    def get_is_recent(self, session: Session) -> bool:
        return step_up.clock() <= session.mfa_at + RECENT


class ConfirmationIn(serializers.Serializer[Any]):
    code = Text(max_length=40, write_only=True, help_text="Of the authenticator app, or for recovery.")


class PasskeyConfirmationIn(serializers.Serializer[Any]):
    state = Text(max_length=2000, help_text="As it came with the options.")
    answer = serializers.DictField(help_text="What navigator.credentials.get() gave, as JSON (WebAuthn 3, 5.1.1).")


class SecondFactorViewSet(TenantViewSet):
    """Of the session that asks. Tokens have none."""

    serializer_class = SecondFactorOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {
        "list": Permission.PORTAL_DASHBOARD_READ,
        "create": Permission.PORTAL_DASHBOARD_READ,
        "passkey": Permission.PORTAL_DASHBOARD_READ,
        "passkey_options": Permission.PORTAL_DASHBOARD_READ,
    }

    def _session(self) -> Session:
        row: Session | None = getattr(self.request._request.session, "row", None)
        if row is None:
            raise SecondFactorImpossible
        return row

    @extend_schema(responses=SecondFactorOut)
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(SecondFactorOut(self._session()).data)

    @extend_schema(request=ConfirmationIn, responses={200: SecondFactorOut})
    def create(self, request: Request) -> Response:
        given = ConfirmationIn(data=request.data)
        session = self._session()
        given.is_valid(raise_exception=True)
        done = services.confirm(session, given.validated_data["code"], self.actor)
        return self._answer(session, done, CodeRefused())

    @extend_schema(request=None, responses=CeremonyOut)
    @action(detail=False, methods=["post"], url_path="passkey/options", url_name="passkey-options")
    def passkey_options(self, request: Request) -> Response:  # noqa: ARG002
        """A challenge for one of the caller's passkeys."""
        return Response(CeremonyOut(services.begin_confirmation(self._session())).data)

    @extend_schema(request=PasskeyConfirmationIn, responses=SecondFactorOut)
    @action(detail=False, methods=["post"], url_path="passkey", url_name="passkey")
    def passkey(self, request: Request) -> Response:
        given = PasskeyConfirmationIn(data=request.data)
        session = self._session()
        given.is_valid(raise_exception=True)
        done = services.confirm_passkey(session, **given.validated_data, by=self.actor)
        return self._answer(session, done, PasskeyRefused("counted"))

    def _answer(self, session: Session, done: bool, refusal: DomainError) -> Response:
        """What was refused was counted, and stays so."""
        if done:
            session.refresh_from_db()
            return Response(SecondFactorOut(session).data)
        refused = problem(refusal, {"view": self})
        return committed(refused) if refused else Response(status=401)
