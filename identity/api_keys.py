"""The API twins of passkeys, sessions and the tenant's security settings."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from identity import services
from identity.api_fields import Text
from identity.models import Passkey, SecurityPolicy, Session, User
from identity.models.security import LONGEST_IDLE, LONGEST_SESSION, SHORTEST_IDLE, SHORTEST_SESSION
from identity.permissions import Permission
from identity.principals import PrincipalKind
from identity.rest import TenantViewSet, valid_input
from identity.selectors import members, passkeys_of, security_policy, sessions_in_sight
from tenants.errors import Invalid, NotAllowed


class PasskeyOut(serializers.ModelSerializer[Passkey]):
    synced = serializers.BooleanField(source="is_synced", help_text="Kept by the maker's cloud, on several devices.")

    class Meta:
        model = Passkey
        fields = ("id", "name", "synced", "created_at", "last_used_at")


class PasskeyIn(serializers.Serializer[Any]):
    name = Text(max_length=64)
    state = Text(max_length=2000, help_text="As it came with the options.")
    answer = serializers.DictField(help_text="What navigator.credentials.create() gave, as JSON (WebAuthn 3, 5.1.1).")


class PasskeyName(serializers.Serializer[Any]):
    name = Text(max_length=64)


class CeremonyOut(serializers.Serializer[Any]):
    options = serializers.DictField(help_text="For navigator.credentials.create(), as JSON.")
    state = serializers.CharField(help_text="To be sent back with the answer, within five minutes, once.")


class SessionOut(serializers.ModelSerializer[Session]):
    principal = serializers.UUIDField(source="principal_id")
    person = serializers.CharField(source="principal.label")
    device = serializers.CharField(help_text="Browser and system, as the browser says.")
    current = serializers.SerializerMethodField(help_text="The one that asks.")

    class Meta:
        model = Session
        fields = (
            "id", "principal", "person", "device", "address", "created_at", "last_seen_at", "expires_at", "mfa_at",
            "mfa_method", "ended_at", "end_reason", "ended_by", "current",
        )  # fmt: skip

    def get_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["request"].user.session_id)


class RevokedOut(serializers.Serializer[Any]):
    ended = serializers.IntegerField()


class RevokeIn(serializers.Serializer[Any]):
    principal = serializers.UUIDField(required=False, help_text="Whose; by default one's own others.")


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class SecurityPolicyBody(serializers.ModelSerializer[SecurityPolicy]):
    idle_minutes = serializers.IntegerField(min_value=SHORTEST_IDLE, max_value=LONGEST_IDLE)
    session_minutes = serializers.IntegerField(min_value=SHORTEST_SESSION, max_value=LONGEST_SESSION)
    passkey_sign_in = serializers.BooleanField()

    class Meta:
        model = SecurityPolicy
        fields = ("idle_minutes", "session_minutes", "passkey_sign_in")


class SessionFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    principal = django_filters.UUIDFilter(field_name="principal_id", label="Principal")
    open = django_filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull", label="Not ended")

    class Meta:
        model = Session
        fields: tuple[str, ...] = ()


class _OwnRooms(TenantViewSet):
    @property
    def person(self) -> User:
        if self.principal.kind is not PrincipalKind.USER:
            raise NotAllowed("Passkeys are a person's.", code="no_person")
        return User.objects.get(id=self.principal.id)


class PasskeyViewSet(ListModelMixin, RetrieveModelMixin, _OwnRooms):
    """One's own."""

    serializer_class = PasskeyOut
    queryset = Passkey.objects.none()  # for the API's description
    required_permissions = dict.fromkeys(
        ("list", "retrieve", "options_for_new", "create", "partial_update", "destroy"), Permission.PORTAL_DASHBOARD_READ
    )
    recent_mfa_actions = frozenset({"create", "destroy"})

    def get_queryset(self) -> QuerySet[Passkey]:
        return passkeys_of(self.principal.id)

    @extend_schema(request=None, responses=CeremonyOut)
    @action(detail=False, methods=["post"], url_path="options", url_name="options")
    def options_for_new(self, request: Request) -> Response:  # noqa: ARG002
        begun = services.begin_registration(self.person, session_id=self.principal.session_id)
        return Response(CeremonyOut(begun).data)

    @extend_schema(request=PasskeyIn, responses={201: PasskeyOut})
    def create(self, request: Request) -> Response:
        given = valid_input(PasskeyIn(data=request.data))
        made = services.register_passkey(self.person, **given, session_id=self.principal.session_id, by=self.actor)
        return Response(PasskeyOut(made).data, status=201)

    @extend_schema(request=PasskeyName, responses=PasskeyOut)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        passkey = self.get_object()
        given = valid_input(PasskeyName(data=request.data))
        return Response(PasskeyOut(services.rename_passkey(self.person, passkey.pk, **given, by=self.actor)).data)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        passkey = self.get_object()
        services.remove_passkey(self.person, passkey.pk, session_id=self.principal.session_id, by=self.actor)
        return Response(status=204)


class SessionViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    """One's own, and for those who manage people, theirs."""

    serializer_class = SessionOut
    queryset = Session.objects.none()  # for the API's description
    required_permissions = dict.fromkeys(("list", "retrieve", "revoke", "revoke_all"), Permission.PORTAL_DASHBOARD_READ)

    def get_queryset(self) -> QuerySet[Session]:
        narrowed = SessionFilter(self.request.query_params, sessions_in_sight(self.principal))
        if not narrowed.is_valid():
            field = next(iter(narrowed.errors))
            raise Invalid(f"This is not a value of {field}.", field=field, code="filter_invalid")
        rows: QuerySet[Session] = narrowed.qs
        return rows

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.revoke_session(self.get_object().pk, by=self.actor)
        return Response(status=204)

    @extend_schema(request=RevokeIn, responses=RevokedOut, operation_id="sessions_revoke_all")
    @action(detail=False, methods=["post"], url_path="revoke", url_name="revoke-all")
    def revoke_all(self, request: Request) -> Response:
        whose = valid_input(RevokeIn(data=request.data)).get("principal", self.principal.id)
        if whose != self.principal.id and not members().filter(id=whose).exists():
            raise Invalid("The principal is a person of this workspace.", field="principal", code="principal_unknown")
        ended = services.revoke_sessions(whose, by=self.actor, keep=self.principal.session_id)
        return Response(RevokedOut({"ended": ended}).data)


class SecurityPolicyViewSet(TenantViewSet):
    """There is one: read it, or set it as a whole."""

    serializer_class = SecurityPolicyBody
    pagination_class = None  # type: ignore[assignment]
    required_permissions = dict.fromkeys(("list", "create"), Permission.TENANT_SETTINGS_MANAGE)
    recent_mfa_actions = frozenset({"create"})

    @extend_schema(responses=SecurityPolicyBody, operation_id="security_policy_retrieve")
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(SecurityPolicyBody(security_policy()).data)

    @extend_schema(request=SecurityPolicyBody, responses={200: SecurityPolicyBody}, operation_id="security_policy_set")
    def create(self, request: Request) -> Response:
        given = valid_input(SecurityPolicyBody(data=request.data))
        return Response(SecurityPolicyBody(services.set_security_policy(**given, by=self.actor)).data)


routes = [
    ("passkeys", PasskeyViewSet, "passkey"),
    ("sessions", SessionViewSet, "session"),
    ("security-policy", SecurityPolicyViewSet, "security-policy"),
]
