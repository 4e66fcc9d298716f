"""The tool policy over the API. Its order matters, so the list comes whole and in order, not newest first."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import rules
from approvals.models import ToolRule
from approvals.policy import Comparison
from connectors.contract import Risk, Tier
from identity.api_fields import Clock, Text
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.serializers import ROLE_CHOICES, OfCustomer


class ConditionField(serializers.Serializer[Any]):
    path = Text(max_length=504, help_text="An argument, such as `priority`; with dots where it is inside another.")
    test = serializers.ChoiceField(choices=[each.value for each in Comparison])
    value = serializers.JSONField(
        required=False, help_text="A text, a number, true or false. For `present` and `absent` none."
    )


class RuleOut(serializers.ModelSerializer[ToolRule]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    conditions = ConditionField(many=True)
    days = serializers.ListField(child=serializers.IntegerField(), help_text="0 is Monday. Empty: every day.")
    factors = serializers.ListField(child=serializers.CharField(), help_text="Roles that the approvers must have.")
    starts = Clock(allow_null=True)
    ends = Clock(allow_null=True)

    class Meta:
        model = ToolRule
        fields = ("id", "position", *rules.TERMS, "changed_at", "changed_by")


class RuleIn(serializers.Serializer[Any]):
    """What is left out fits everything; the first rule that fits a call decides."""

    name = Text(max_length=100)
    effect = serializers.ChoiceField(choices=ToolRule.Effect.choices)
    approvers = serializers.IntegerField(required=False, min_value=0, max_value=rules.MOST_APPROVERS)
    factors = serializers.ListField(
        child=serializers.ChoiceField(choices=list(rules.DECIDING)), required=False, max_length=rules.MOST_APPROVERS,
        help_text="Roles, each of which another one of those people must have.",
    )  # fmt: skip
    enabled = serializers.BooleanField(required=False)
    risk = serializers.ChoiceField(choices=[each.value for each in Risk], required=False, allow_blank=True)
    tier = serializers.ChoiceField(choices=[each.value for each in Tier], required=False, allow_blank=True)
    connector = Text(max_length=64, required=False, allow_blank=True)
    tool = Text(max_length=192, required=False, allow_blank=True)
    role = serializers.ChoiceField(choices=ROLE_CHOICES, required=False, allow_blank=True)
    caller = serializers.ChoiceField(choices=list(rules.CALLERS), required=False, allow_blank=True)
    customer = OfCustomer(required=False, allow_null=True)
    conditions = ConditionField(many=True, required=False)
    days = serializers.ListField(child=serializers.IntegerField(min_value=0, max_value=6), required=False, max_length=7)
    starts = Clock(required=False, allow_null=True)
    ends = Clock(required=False, allow_null=True)
    timezone = Text(max_length=64, required=False, allow_blank=True)


class MoveIn(serializers.Serializer[Any]):
    to = serializers.IntegerField(min_value=1, max_value=rules.MOST_RULES, help_text="Its new place; 1 is asked first.")


class ToolRuleViewSet(TenantViewSet):
    serializer_class = RuleOut
    pagination_class = None  # type: ignore[assignment]  # at most MOST_RULES, and only all of them say what holds
    required_permissions = {
        "list": Permission.APPROVALS_RULE_READ,
        "retrieve": Permission.APPROVALS_RULE_READ,
        "create": Permission.APPROVALS_RULE_MANAGE,
        "partial_update": Permission.APPROVALS_RULE_MANAGE,
        "destroy": Permission.APPROVALS_RULE_MANAGE,
        "move": Permission.APPROVALS_RULE_MANAGE,
    }
    recent_mfa_actions = frozenset({"create", "partial_update", "destroy", "move"})

    def get_queryset(self) -> QuerySet[ToolRule]:
        return rules.rules()

    @extend_schema(responses=RuleOut(many=True))
    def list(self, request: Request) -> Response:  # noqa: ARG002
        return Response(RuleOut(self.get_queryset(), many=True).data)

    def retrieve(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return Response(RuleOut(self.get_object()).data)

    @extend_schema(request=RuleIn, responses={201: RuleOut})
    def create(self, request: Request) -> Response:
        terms = RuleIn(data=request.data)
        terms.is_valid(raise_exception=True)
        return Response(RuleOut(rules.add_rule(terms.validated_data, by=self.actor)).data, status=201)

    @extend_schema(request=RuleIn(partial=True), responses=RuleOut)
    def partial_update(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        rule = self.get_object()
        terms = RuleIn(data=request.data, partial=True)
        terms.is_valid(raise_exception=True)
        return Response(RuleOut(rules.change_rule(rule, terms.validated_data, by=self.actor)).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        rules.remove_rule(self.get_object(), by=self.actor)
        return Response(status=204)

    @extend_schema(request=MoveIn, responses=RuleOut)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        rule = self.get_object()
        terms = MoveIn(data=request.data)
        terms.is_valid(raise_exception=True)
        return Response(RuleOut(rules.move_rule(rule, to=terms.validated_data["to"], by=self.actor)).data)


routes = [("tool-rules", ToolRuleViewSet, "tool-rule")]
