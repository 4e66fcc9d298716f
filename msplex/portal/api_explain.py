"""Whether a call would be let through, over the API: the twin of the portal's page that tries one out."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.api_fields import Text
from identity.models import Principal
from identity.permissions import Permission
from identity.rest import TenantViewSet
from msplex.decision.verdicts import Gate
from msplex.portal.trying import Answer, Earlier, ask, ask_then
from tenants.errors import Invalid

OUTCOMES = (
    "`waits`: for people to approve. As it was: `refused`, which is certain, or `untold`: nothing that is recorded"
    " stood in the way."
)


class ExplanationIn(serializers.Serializer[Any]):
    principal = serializers.UUIDField(help_text="A person or a service account.")
    tool = Text(max_length=192, help_text="As agents call it, such as `halopsa_list_tickets`.")
    customer = Text(max_length=63, required=False, allow_null=True, default=None, help_text="Its id or short name.")
    arguments = serializers.DictField(required=False, default=dict)
    at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Another time on the clock; all else is as of now."
    )

    as_it_was = serializers.BooleanField(
        required=False, default=False, help_text="With the roles, rules and plan of `at`, which is over."
    )


class VerdictOut(serializers.Serializer[Any]):
    gate = serializers.ChoiceField(choices=[gate.value for gate in Gate])
    ok = serializers.BooleanField(allow_null=True, help_text="None, as it was: cannot be told; `detail` says why.")
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


class ChangeOut(serializers.Serializer[Any]):
    gate = serializers.ChoiceField(choices=[gate.value for gate in Gate])
    code = serializers.CharField()
    text = serializers.CharField(help_text="For people.")


@extend_schema_serializer(many=False)
class ExplanationOut(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=["runs", "waits", "refused", "untold"], help_text=OUTCOMES)
    verdicts = VerdictOut(many=True, help_text="Behind the first refusal as they would be after the changes.")
    changes = ChangeOut(many=True, help_text="All of them together would let it pass; none is too many.")
    complete = serializers.BooleanField(help_text="False: something is in the way that no change here mends.")
    approvers = serializers.IntegerField(help_text="People who would have to agree.")
    rule = serializers.CharField(allow_blank=True, help_text="Of the policy, which decided.")


class ExplanationViewSet(TenantViewSet):
    serializer_class = ExplanationOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"create": Permission.APPROVALS_RULE_READ}

    @extend_schema(request=ExplanationIn, responses=ExplanationOut)
    def create(self, request: Request) -> Response:
        """A question: it changes nothing, and counts nothing."""
        asked = ExplanationIn(data=request.data)
        asked.is_valid(raise_exception=True)
        terms = asked.validated_data
        if not Principal.objects.filter(pk=terms["principal"]).exists():
            raise Invalid("There is no such person or service account.", field="principal")
        if terms["as_it_was"]:
            at = terms["at"] or timezone.now()
            then = ask_then(terms["principal"], terms["tool"], terms["arguments"], customer=terms["customer"], at=at)
            return Response(ExplanationOut(_said_then(then)).data)
        answer = ask(
            terms["principal"], terms["tool"], terms["arguments"], customer=terms["customer"],
            now=terms["at"] or timezone.now(),
        )  # fmt: skip
        return Response(ExplanationOut(_said(answer)).data)


def _said(answer: Answer) -> dict[str, Any]:
    said = answer.explanation
    return {
        "outcome": answer.outcome,
        "verdicts": [verdict.as_json() for verdict in said.verdicts],
        "changes": said.changes,
        "complete": said.complete,
        "approvers": answer.approvers,
        "rule": answer.rule,
    }


def _said_then(answer: Earlier) -> dict[str, Any]:
    return {
        "outcome": answer.outcome,
        "verdicts": [each.as_json() for each in answer.told.told],
        "changes": [],
        "complete": False,
        "approvers": answer.approvers,
        "rule": answer.rule,
    }


routes = [("explanations", ExplanationViewSet, "explanation")]
