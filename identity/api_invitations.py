from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actors import Actor
from identity import services
from identity.models import Invitation
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.roles import Role
from identity.selectors import invitations
from identity.serializers import ROLE_CHOICES, OfCustomer


class InvitationOut(serializers.ModelSerializer[Invitation]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    member = serializers.UUIDField(source="member_id", allow_null=True, help_text="Who came.")
    invited_by = serializers.CharField(source="inviter_label")
    state = serializers.ChoiceField(choices=["pending", "expired", "accepted", "withdrawn"])
    email_state = serializers.CharField(source="mail.state", help_text="queued, sent or failed")
    email_problem = serializers.CharField(source="mail.problem", help_text="Why the message was not sent.")

    class Meta:
        model = Invitation
        fields = (
            "id", "email", "role", "customer", "reason", "invited_by", "state", "email_state", "email_problem",
            "created_at", "expires_at", "accepted_at", "withdrawn_at", "member",
        )  # fmt: skip


class InvitationIn(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLE_CHOICES)
    customer = OfCustomer(allow_null=True, required=False, default=None)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def validate_role(self, value: str) -> Role:
        return Role(value)


class InvitationViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    """The link is in the e-mail only: nobody gets it from here."""

    serializer_class = InvitationOut
    required_permissions = {
        "list": Permission.IDENTITY_MEMBER_READ,
        "retrieve": Permission.IDENTITY_MEMBER_READ,
        "create": Permission.IDENTITY_MEMBER_MANAGE,
        "resend": Permission.IDENTITY_MEMBER_MANAGE,
        "withdraw": Permission.IDENTITY_MEMBER_MANAGE,
    }

    @property
    def actor(self) -> Actor:
        actor: Actor = self.request._request.actor  # type: ignore[attr-defined]
        return actor

    def get_queryset(self) -> QuerySet[Invitation]:
        return invitations()

    @extend_schema(request=InvitationIn, responses={201: InvitationOut})
    def create(self, request: Request) -> Response:
        terms = InvitationIn(data=request.data)
        terms.is_valid(raise_exception=True)
        made = services.invite(**terms.validated_data, by=self.actor)
        return Response(InvitationOut(made).data, status=201)

    @extend_schema(request=None, responses=InvitationOut)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        return Response(InvitationOut(services.resend_invitation(self.get_object().pk, by=self.actor)).data)

    @extend_schema(request=None, responses=InvitationOut)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.withdraw_invitation(self.get_object().pk, by=self.actor)
        return Response(InvitationOut(self.get_object()).data)
