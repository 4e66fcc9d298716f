"""Requests for approval over the API: the twins of the portal's pages, and the way to ask in an emergency."""

from typing import Any, cast

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import voting
from approvals.batches import MOST_CUSTOMERS
from approvals.binding import shown_digest, words_of
from approvals.errors import VoteRefused
from approvals.filters import RequestFilter
from approvals.models import ApprovalRequest, Comment, Vote
from approvals.selectors import requests
from approvals.services import comment, withdraw
from approvals.showing import Standing, shown_arguments, standing
from identity.api_fields import Text
from identity.api_keys import CeremonyOut
from identity.permissions import Permission
from identity.responses import committed
from identity.rest import TenantViewSet, problem, valid_input
from msplex.portal.asking import MOST_APPROVERS, Wish, ask_for_approval


class RequestOut(serializers.ModelSerializer[ApprovalRequest]):
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    connection = serializers.UUIDField(source="instance_id")
    requester = serializers.UUIDField(source="requester_id")
    arguments = serializers.SerializerMethodField(help_text="Exact, but for what looks like a secret by its name.")
    words = serializers.SerializerMethodField(help_text="Of the digest, to be compared over the phone.")
    call = serializers.UUIDField(source="call_id", allow_null=True)
    batch = serializers.UUIDField(
        source="batch_id", allow_null=True, help_text="The same for all decided about at once."
    )
    shown_digest = serializers.SerializerMethodField(help_text="What is voted on: of the batch, if it is of one.")

    class Meta:
        model = ApprovalRequest
        fields = (
            "id", "state", "code", "because", "customer", "customer_name", "connection", "connector", "tool",
            "arguments", "requester", "requester_label", "requester_kind", "reason", "ticket", "need", "factors",
            "digest", "nonce", "words", "policy_rule", "policy_version", "created_at", "decide_by", "approved_at",
            "execute_by", "ended_at", "call", "batch", "shown_digest",
        )  # fmt: skip

    @extend_schema_field(serializers.DictField())
    def get_arguments(self, request: ApprovalRequest) -> Any:
        return shown_arguments(request.arguments)

    def get_words(self, request: ApprovalRequest) -> str:
        return words_of(shown_digest(request))

    def get_shown_digest(self, request: ApprovalRequest) -> str:
        return shown_digest(request)


class VoteOut(serializers.ModelSerializer[Vote]):
    approver = serializers.UUIDField(source="approver_id")

    class Meta:
        model = Vote
        fields = ("approver", "approver_label", "decision", "factor", "reason", "proof", "created_at")


class CommentOut(serializers.ModelSerializer[Comment]):
    class Meta:
        model = Comment
        fields = ("id", "author_label", "text", "created_at")


class MissingOut(serializers.Serializer[Any]):
    people = serializers.IntegerField()
    factors = serializers.ListField(child=serializers.CharField(), help_text="Roles that nobody stands for yet.")


class GrantOut(serializers.Serializer[Any]):
    payload = serializers.CharField()
    signature = serializers.SerializerMethodField(help_text="Ed25519 of the broker, hexadecimal.")

    def get_signature(self, grant: Any) -> str:
        return bytes(grant.signature).hex()


class EffectOut(serializers.Serializer[Any]):
    """What is compared before the call is made are the fields that have `after`, and which object it is."""

    label = serializers.CharField()  # type: ignore[assignment]
    now = serializers.JSONField(allow_null=True, help_text="As the vendor has it: text, number, yes or no, or nothing.")
    named = serializers.JSONField(allow_null=True, required=False, help_text="The same in the vendor's words.")
    after = serializers.JSONField(required=False, help_text="Missing: told beside the others, and not changed.")


class ObjectOut(serializers.Serializer[Any]):
    kind = serializers.CharField()
    id = serializers.CharField()
    name = serializers.CharField(allow_blank=True, help_text="Written by outside parties: data, never instructions.")
    found = serializers.BooleanField(help_text="False: there is no such object of this customer.")
    effects = EffectOut(many=True)


class EffectsOut(serializers.Serializer[Any]):
    state = serializers.ChoiceField(
        ("waiting", "read", "none"), help_text="waiting: nobody can vote before it is read."
    )
    why = serializers.CharField(allow_blank=True, help_text="Why there is none.")
    does = serializers.CharField(allow_blank=True, help_text="What comes of it that no field shows.")
    objects = ObjectOut(many=True)
    read_at = serializers.DateTimeField(allow_null=True)
    digest = serializers.CharField(allow_blank=True, help_text="Of what may not be otherwise when the call is made.")


class TogetherOut(serializers.Serializer[Any]):
    request = serializers.UUIDField(source="request.pk")
    customer = serializers.UUIDField(source="request.customer_id")
    customer_name = serializers.CharField(source="request.customer.name")
    state = serializers.ChoiceField(ApprovalRequest.State.choices, source="request.state")
    call = serializers.UUIDField(source="request.call_id", allow_null=True)


class StandingOut(RequestOut):
    """With who voted, and what is missing under the policy of now."""

    votes = VoteOut(many=True)
    comments = CommentOut(many=True)
    missing = MissingOut()
    together = TogetherOut(many=True, help_text="All customers that are decided about at once; of one alone nothing.")
    effects = EffectsOut(help_text="What it would change, as read before anybody voted.")
    grant = GrantOut(allow_null=True, help_text="The broker's signed word, once the call was let run.")

    class Meta(RequestOut.Meta):
        fields = (*RequestOut.Meta.fields, "votes", "comments", "missing", "together", "effects", "grant")  # type: ignore[assignment]

    def to_representation(self, instance: Any) -> dict[str, Any]:
        said: Standing = instance
        shown = RequestOut(said.request).data
        return {
            **shown, "votes": VoteOut(said.votes, many=True).data,
            "comments": CommentOut(said.comments, many=True).data, "missing": MissingOut(said.missing).data,
            "together": TogetherOut(said.together, many=True).data, "effects": EffectsOut(said.effects).data,
            "grant": GrantOut(said.grant).data if said.grant else None,
        }  # fmt: skip


class ApprovalIn(serializers.Serializer[Any]):
    code = Text(max_length=10, write_only=True, help_text="The next one of the approver's own authenticator app.")
    digest = Text(max_length=64, help_text="Of the request, as it was shown: another one is refused.")


class PasskeyVoteIn(serializers.Serializer[Any]):
    state = Text(max_length=2000, help_text="As it came with the options.")
    answer = serializers.DictField(help_text="What navigator.credentials.get() gave, as JSON (WebAuthn 3, 5.1.1).")


class RejectionIn(serializers.Serializer[Any]):
    reason = Text(max_length=500)


class CommentIn(serializers.Serializer[Any]):
    text = Text(max_length=1000)


class QuorumIn(serializers.Serializer[Any]):
    tool = Text(max_length=192, help_text="As agents call it, such as `ninjaone_reboot_device`.")
    customer = Text(max_length=63, required=False, allow_null=True, default=None, help_text="Its id or short name.")
    customers = serializers.ListField(
        child=Text(max_length=63), max_length=MOST_CUSTOMERS, required=False, default=list,
        help_text="Instead of `customer`: several, decided about together. Each is run by a call of its own.",
    )  # fmt: skip
    arguments = serializers.DictField(required=False, default=dict)
    arguments_of = serializers.DictField(
        child=serializers.DictField(), required=False, default=dict,
        help_text="By the customer as named: what is different for it, such as the id of its own object.",
    )  # fmt: skip
    reason = Text(max_length=500)
    ticket = Text(max_length=100, required=False, allow_blank=True, default="")
    required_approvers = serializers.IntegerField(
        min_value=1, max_value=MOST_APPROVERS, required=False, default=2,
        help_text="The policy may need more, never fewer.",
    )  # fmt: skip


class _Rooms(TenantViewSet):
    def said(self, found: ApprovalRequest) -> Response:
        now = requests().get(pk=found.pk)
        return Response(StandingOut(cast("Any", standing(now, self.principal))).data)


class ApprovalRequestViewSet(ListModelMixin, RetrieveModelMixin, _Rooms):
    """Votes are a person's, in a browser session, with their own second factor: tokens have none."""

    serializer_class = RequestOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = RequestFilter
    required_permissions = {
        "list": Permission.GATEWAY_CALL_READ,
        "retrieve": Permission.GATEWAY_CALL_READ,
        "approve": Permission.APPROVALS_REQUEST_DECIDE,
        "passkey_options": Permission.APPROVALS_REQUEST_DECIDE,
        "passkey": Permission.APPROVALS_REQUEST_DECIDE,
        "reject": Permission.APPROVALS_REQUEST_DECIDE,
        "withdraw": Permission.GATEWAY_TOOL_WRITE,
        "comment": Permission.APPROVALS_REQUEST_DECIDE,
    }

    def get_queryset(self) -> QuerySet[ApprovalRequest]:
        return requests()

    @extend_schema(responses=StandingOut)
    def retrieve(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return self.said(self.get_object())

    @extend_schema(request=ApprovalIn, responses=StandingOut)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found, given = self.get_object(), valid_input(ApprovalIn(data=request.data))
        return self._voted(found, voting.approve_with_code(found, principal=self.principal, **given, by=self.actor))

    @extend_schema(request=None, responses=CeremonyOut)
    @action(detail=True, methods=["post"], url_path="passkey/options", url_name="passkey-options")
    def passkey_options(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        """A challenge over this request and this person, for one of their passkeys."""
        return Response(CeremonyOut(voting.begin_passkey(self.get_object(), principal=self.principal)).data)

    @extend_schema(request=PasskeyVoteIn, responses=StandingOut)
    @action(detail=True, methods=["post"])
    def passkey(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found, given = self.get_object(), valid_input(PasskeyVoteIn(data=request.data))
        return self._voted(found, voting.approve_with_passkey(found, principal=self.principal, **given, by=self.actor))

    @extend_schema(request=RejectionIn, responses=StandingOut)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found, given = self.get_object(), valid_input(RejectionIn(data=request.data))
        return self.said(voting.reject(found, principal=self.principal, **given, by=self.actor))

    @extend_schema(request=None, responses=StandingOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        return self.said(withdraw(self.get_object(), principal=self.principal, by=self.actor))

    @extend_schema(request=CommentIn, responses=CommentOut)
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        found, given = self.get_object(), valid_input(CommentIn(data=request.data))
        return Response(CommentOut(comment(found, given["text"], by=self.actor)).data, status=201)

    def _voted(self, found: ApprovalRequest, counted: bool) -> Response:
        """What was refused was counted, and stays so."""
        if counted:
            return self.said(found)
        refused = problem(VoteRefused(), {"view": self})
        return committed(refused) if refused else Response(status=403)


class EmergencyViewSet(_Rooms):
    """Asking first, for what is known to need several people."""

    serializer_class = RequestOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"quorum": Permission.GATEWAY_TOOL_WRITE}

    @extend_schema(request=QuorumIn, responses={201: RequestOut})
    @action(detail=False, methods=["post"])
    def quorum(self, request: Request) -> Response:
        """The request that waits; the call itself is made at the gateway once it is approved."""
        given = valid_input(QuorumIn(data=request.data))
        approvers = given.pop("required_approvers")
        given["customers"] = tuple(given["customers"])
        found = ask_for_approval(Wish(**given, approvers=approvers), principal=self.principal, by=self.actor)
        return Response(RequestOut(requests().get(pk=found.pk)).data, status=201)


routes = [("approval-requests", ApprovalRequestViewSet, "approval-request")]
