"""Grants that are held in advance over the API: the twins of the portal's pages."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.errors import VoteRefused
from approvals.filters import HeldGrantFilter
from approvals.held.agents import add_agent, renew_code, revoke_agent
from approvals.held.models import GrantUse, HeldGrant, HostAgent
from approvals.held.playbooks import ON_FAILURE, STOP, steps_of
from approvals.held.selectors import agents, grants, uses_of
from approvals.held.services import revoke_grant
from approvals.held.terms import MOST_MINUTES, MOST_USES
from approvals.selectors import requests
from approvals.showing import shown_arguments
from identity.api_fields import Text
from identity.permissions import Permission
from identity.responses import committed
from identity.rest import TenantViewSet, problem, valid_input
from msplex.portal.api_approvals import RequestOut
from msplex.portal.asking import MOST_APPROVERS, Wish
from msplex.portal.holding import GrantWish, ask_for_grant
from tenants.errors import Invalid
from tenants.selectors import customers

CODE = OpenApiParameter("X-TOTP-Code", str, OpenApiParameter.HEADER, description="The next one of one's own app.")


class UseOut(serializers.ModelSerializer[GrantUse]):
    call = serializers.UUIDField(source="call_id", allow_null=True)

    class Meta:
        model = GrantUse
        fields = ("number", "step", "state", "outcome", "finding", "received_at", "settled_at", "call", "evidence")


class StepOut(serializers.Serializer[Any]):
    tool = serializers.CharField(help_text="Of the grant's connection.")
    arguments = serializers.DictField()


class HeldGrantOut(serializers.ModelSerializer[HeldGrant]):
    customer = serializers.UUIDField(source="customer_id")
    agent = serializers.UUIDField(source="agent_id", help_text="The host agent that holds it.")
    asset = serializers.UUIDField(source="asset_id")
    asset_name = serializers.CharField(source="asset.name")
    connection = serializers.UUIDField(source="instance_id")
    request = serializers.UUIDField(source="request_id", help_text="The approval request that it was issued for.")
    arguments = serializers.SerializerMethodField(help_text="Exact, but for what looks like a secret by its name.")
    steps = serializers.SerializerMethodField(help_text="All of them, in their order.")
    on_failure = serializers.SerializerMethodField()

    class Meta:
        model = HeldGrant
        fields = (
            "id", "state", "customer", "agent", "asset", "asset_name", "connection", "connector", "tool",
            "arguments", "request", "digest", "nonce", "not_before", "not_after", "heartbeat_lost_minutes",
            "critical_alert", "uses", "used", "issued_at", "delivered_at", "refused_because", "revoked_at",
            "revoked_by", "revoked_because", "told_at", "steps", "on_failure",
        )  # fmt: skip

    @extend_schema_field(serializers.DictField())
    def get_arguments(self, grant: HeldGrant) -> Any:
        return shown_arguments(grant.request.arguments)

    @extend_schema_field(StepOut(many=True))
    def get_steps(self, grant: HeldGrant) -> Any:
        return [{"tool": each.tool, "arguments": shown_arguments(each.arguments)} for each in steps_of(grant.request)]

    def get_on_failure(self, grant: HeldGrant) -> str:
        return str(grant.request.terms.get("on_failure", STOP))


class HeldGrantDetailOut(HeldGrantOut):
    """With what became of each use."""

    fired = serializers.SerializerMethodField()

    class Meta(HeldGrantOut.Meta):
        fields = (*HeldGrantOut.Meta.fields, "fired")  # type: ignore[assignment]

    @extend_schema_field(UseOut(many=True))
    def get_fired(self, grant: HeldGrant) -> Any:
        return UseOut(uses_of(grant), many=True).data


class StepIn(serializers.Serializer[Any]):
    tool = Text(max_length=192)
    arguments = serializers.DictField(required=False, default=dict)


class HeldGrantIn(serializers.Serializer[Any]):
    agent = serializers.UUIDField(help_text="A host agent; the customer is its own.")
    tool = Text(max_length=192, help_text="As agents call it, such as `ninjaone_reboot_device`.")
    arguments = serializers.DictField(required=False, default=dict)
    then = StepIn(many=True, required=False, default=list, help_text="Further steps, done in this order.")
    on_failure = serializers.ChoiceField(ON_FAILURE, required=False, default=STOP)
    heartbeat_lost_minutes = serializers.IntegerField(
        min_value=1, max_value=MOST_MINUTES, required=False, allow_null=True, default=None
    )
    critical_alert = serializers.BooleanField(required=False, default=False)
    not_before = serializers.DateTimeField(required=False, allow_null=True, default=None)
    not_after = serializers.DateTimeField()
    uses = serializers.IntegerField(min_value=1, max_value=MOST_USES, required=False, default=1)
    reason = Text(max_length=500)
    ticket = Text(max_length=100, required=False, allow_blank=True, default="")
    required_approvers = serializers.IntegerField(min_value=1, max_value=MOST_APPROVERS, required=False, default=1)


class GrantRevocationIn(serializers.Serializer[Any]):
    reason = Text(max_length=500)


class HeldGrantViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    """Asking takes the second factor of a person: tokens have none."""

    serializer_class = HeldGrantOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = HeldGrantFilter
    required_permissions = {
        "list": Permission.GATEWAY_CALL_READ,
        "retrieve": Permission.GATEWAY_CALL_READ,
        "create": Permission.GATEWAY_TOOL_WRITE,
        "revoke": Permission.GATEWAY_TOOL_WRITE,
    }

    def get_queryset(self) -> QuerySet[HeldGrant]:
        return grants()

    @extend_schema(responses=HeldGrantDetailOut)
    def retrieve(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return Response(HeldGrantDetailOut(self.get_object()).data)

    @extend_schema(request=HeldGrantIn, responses={201: RequestOut}, parameters=[CODE])
    def create(self, request: Request) -> Response:
        """The request for approval; the broker issues the grant once enough people agree."""
        wish, code = _wish(valid_input(HeldGrantIn(data=request.data))), request.headers.get("X-TOTP-Code", "")
        asked = ask_for_grant(wish, principal=self.principal, code=code, by=self.actor)
        if asked:
            return Response(RequestOut(requests().get(pk=asked.pk)).data, status=201)
        refused = problem(VoteRefused(), {"view": self})
        return committed(refused) if refused else Response(status=403)

    @extend_schema(request=GrantRevocationIn, responses=HeldGrantOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found, given = self.get_object(), valid_input(GrantRevocationIn(data=request.data))
        revoke_grant(found, principal=self.principal, **given, by=self.actor)
        return Response(HeldGrantOut(grants().get(pk=found.pk)).data)


def _wish(given: dict[str, Any]) -> GrantWish:
    call = Wish(
        given["tool"], None, given["arguments"], given["reason"], given["ticket"], given["required_approvers"]
    )  # fmt: skip
    return GrantWish(
        call, given["agent"], given["not_before"], given["not_after"], given["heartbeat_lost_minutes"],
        given["critical_alert"], given["uses"],
        tuple((each["tool"], each["arguments"]) for each in given["then"]), given["on_failure"],
    )  # fmt: skip


class HostAgentOut(serializers.ModelSerializer[HostAgent]):
    customer = serializers.UUIDField(source="customer_id")
    asset = serializers.UUIDField(source="asset_id")
    name = serializers.CharField(source="asset.name")
    state = serializers.CharField(help_text="waiting, active or revoked.")

    class Meta:
        model = HostAgent
        fields = (
            "id", "state", "customer", "asset", "name", "client_id", "kid", "created_at", "created_by", "enrolled_at",
            "seen_at", "revoked_at", "revoked_by",
        )  # fmt: skip


class HostAgentIn(serializers.Serializer[Any]):
    customer = serializers.UUIDField()
    name = Text(max_length=200, help_text="Of the host.")


class HostAgentCodeOut(serializers.Serializer[Any]):
    host_agent = HostAgentOut()
    code = serializers.CharField(help_text="Enrols the agent once, within a day. It is in this answer alone.")


class HostAgentViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = HostAgentOut
    required_permissions = {
        "list": Permission.IDENTITY_SERVICE_ACCOUNT_READ,
        "retrieve": Permission.IDENTITY_SERVICE_ACCOUNT_READ,
        "create": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "code": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "revoke": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
    }
    recent_mfa_actions = frozenset({"create", "code", "revoke"})

    def get_queryset(self) -> QuerySet[HostAgent]:
        return agents()

    @extend_schema(request=HostAgentIn, responses={201: HostAgentCodeOut})
    def create(self, request: Request) -> Response:
        given = valid_input(HostAgentIn(data=request.data))
        customer = customers().filter(id=given["customer"]).first()
        if customer is None:
            raise Invalid("There is no such customer.", field="customer")
        return self._enrolment(*add_agent(customer, name=given["name"], by=self.actor), status=201)

    @extend_schema(request=None, responses=HostAgentCodeOut)
    @action(detail=True, methods=["post"])
    def code(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """Another one, for an agent that has not enrolled."""
        found = self.get_object()
        return self._enrolment(found, renew_code(found, by=self.actor), status=200)

    @extend_schema(request=None, responses=HostAgentOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """With all that it holds."""
        found = self.get_object()
        revoke_agent(found, by=self.actor)
        return Response(HostAgentOut(agents().get(pk=found.pk)).data)

    def _enrolment(self, agent: HostAgent, code: str, *, status: int) -> Response:
        return Response(HostAgentCodeOut({"host_agent": agent, "code": code}).data, status=status)


routes = [
    ("pre-issued-grants", HeldGrantViewSet, "held-grant"),
    ("host-agents", HostAgentViewSet, "host-agent"),
]
