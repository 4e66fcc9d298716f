from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from identity import services
from identity.models import Invitation
from identity.permissions import Permission
from identity.rest import TenantViewSet
from identity.selectors import invitations
from identity.serializers import InvitationIn, InvitationOut


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
    recent_mfa_actions = frozenset({"create", "resend", "withdraw"})

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
