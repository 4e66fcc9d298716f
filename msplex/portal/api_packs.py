"""Audit packs over the API: the portal's rooms, with the same permissions."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from audit.models import Cosignature, HandoverDomain, Pack
from audit.packs import services, witnesses
from audit.packs.files import FORMATS, Download
from identity.permissions import Permission
from identity.responses import committed
from identity.rest import TenantViewSet, plain_problem
from identity.services import ask_for_check, proof_address

AGAIN_SECONDS = 5


class PackOut(serializers.ModelSerializer[Pack]):
    customer = serializers.UUIDField(source="customer_id")
    actor_filter = serializers.CharField(source="domain", help_text="Of a handover: whose details are shown.")
    events = serializers.SerializerMethodField(help_text="Null until they are collected.", allow_null=True)
    left_out = serializers.IntegerField(help_text="Events whose details a handover does not show.")
    percent = serializers.IntegerField(help_text="Of the step that is being done.")

    class Meta:
        model = Pack
        fields = (
            "id", "customer", "month", "actor_filter", "interim", "epoch", "start", "size", "cut_at", "state",
            "percent", "problem", "events", "left_out", "created_at", "ready_at",
        )  # fmt: skip

    def get_events(self, pack: Pack) -> int | None:
        return None if pack.k_to is None or pack.k_from is None else pack.k_to - pack.k_from


class PackIn(serializers.Serializer[Any]):
    customer = serializers.UUIDField()
    month = serializers.RegexField(
        r"\A[0-9]{4}-(0[1-9]|1[0-2])\Z", help_text="Such as 2026-04; the one of now is interim."
    )
    actor_filter = serializers.CharField(required=False, allow_blank=True, max_length=254, default="")


class DownloadIn(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=sorted(FORMATS), default="zip")
    actor_filter = serializers.CharField(required=False, allow_blank=True, max_length=254, default="")


class PackFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    customer = filters.UUIDFilter(field_name="customer_id")
    month = filters.CharFilter()
    state = filters.ChoiceFilter(choices=Pack.State)

    class Meta:
        model = Pack
        fields: tuple[str, ...] = ()


class AuditPackViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = PackOut
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = PackFilter
    required_permissions = dict.fromkeys(("list", "retrieve", "create", "download"), Permission.AUDIT_EVENT_READ)

    def get_queryset(self) -> QuerySet[Pack]:
        return services.packs()

    @extend_schema(request=PackIn, responses={202: PackOut})
    def create(self, request: Request) -> Response:
        """The pack of a month, which is built now if it is not there yet."""
        asked = PackIn(data=request.data)
        asked.is_valid(raise_exception=True)
        terms = asked.validated_data
        pack = services.order_pack(terms["customer"], terms["month"], actor_filter=terms["actor_filter"], by=self.actor)
        return Response(PackOut(pack).data, status=202)

    @extend_schema(
        parameters=[
            OpenApiParameter("format", str, enum=sorted(FORMATS), default="zip"),
            OpenApiParameter("actor_filter", str, description="@domain: a handover pack, of a verified domain."),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            202: OpenApiResponse(PackOut, description="The handover is being built; ask again after Retry-After."),
        },
    )
    @action(detail=True, methods=["get"], filter_backends=(), pagination_class=None)
    def download(self, request: Request, pk: str | None = None) -> HttpResponse | Response:  # noqa: ARG002
        asked = DownloadIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        terms = asked.validated_data
        made = services.take_pack(self.get_object(), terms["format"], actor_filter=terms["actor_filter"], by=self.actor)
        if isinstance(made, Pack):
            return Response(PackOut(made).data, status=202, headers={"Retry-After": str(AGAIN_SECONDS)})
        return file_response(made)


def file_response(made: Download) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(made.content, content_type=made.content_type, headers=headers)


class CosignatureOut(serializers.ModelSerializer[Cosignature]):
    customer = serializers.UUIDField(source="customer_id")

    class Meta:
        model = Cosignature
        fields = ("id", "customer", "epoch", "size", "witness", "line", "stamped_at", "handed_in_by", "handed_in_at")


class CosignatureIn(serializers.Serializer[Any]):
    customer = serializers.UUIDField()
    note = serializers.CharField(max_length=20_000, trim_whitespace=False, help_text="The cosigned checkpoint.")
    witness = serializers.CharField(max_length=400, help_text="The witness's public key, as its command prints it.")


class CosignatureViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = CosignatureOut
    required_permissions = dict.fromkeys(("list", "retrieve", "create"), Permission.AUDIT_EVENT_READ)

    def get_queryset(self) -> QuerySet[Cosignature]:
        return witnesses.cosignatures()

    @extend_schema(request=CosignatureIn, responses={201: CosignatureOut})
    def create(self, request: Request) -> HttpResponse | Response:
        asked = CosignatureIn(data=request.data)
        asked.is_valid(raise_exception=True)
        terms = asked.validated_data
        try:
            made = witnesses.hand_in(terms["customer"], terms["note"], terms["witness"], by=self.actor)
        except witnesses.Disputed as disputed:
            witnesses.dispute(terms["customer"], disputed, by=self.actor)
            return committed(plain_problem(409, "checkpoint_disputed", disputed.message))
        return Response(CosignatureOut(made).data, status=201)


class HandoverDomainOut(serializers.ModelSerializer[HandoverDomain]):
    proof_address = serializers.SerializerMethodField(help_text="Where the token is looked for.")

    class Meta:
        model = HandoverDomain
        fields = (
            "id",
            "name",
            "token",
            "proof_address",
            "added_by",
            "added_at",
            "verified_at",
            "checked_at",
            "problem",
        )

    def get_proof_address(self, domain: HandoverDomain) -> str:
        return proof_address(domain)


class HandoverDomainIn(serializers.Serializer[Any]):
    domain = serializers.CharField(max_length=253)


class HandoverDomainViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = HandoverDomainOut
    required_permissions = dict.fromkeys(
        ("list", "retrieve", "create", "check", "destroy"), Permission.TENANT_SETTINGS_MANAGE
    )
    recent_mfa_actions = frozenset({"create", "destroy"})

    def get_queryset(self) -> QuerySet[HandoverDomain]:
        return services.handover_domains().order_by("-id")

    @extend_schema(request=HandoverDomainIn, responses={201: HandoverDomainOut})
    def create(self, request: Request) -> Response:
        asked = HandoverDomainIn(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.add_domain(asked.validated_data["domain"], by=self.actor)
        return Response(HandoverDomainOut(made).data, status=201)

    @extend_schema(request=None, responses={202: HandoverDomainOut})
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        """Look for the token now."""
        domain = self.get_object()
        ask_for_check(domain)
        return Response(HandoverDomainOut(domain).data, status=202)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.remove_domain(UUID(str(self.get_object().pk)), by=self.actor)
        return Response(status=204)


routes = [
    ("audit-packs", AuditPackViewSet, "audit-pack"),
    ("audit-cosignatures", CosignatureViewSet, "audit-cosignature"),
    ("handover-domains", HandoverDomainViewSet, "handover-domain"),
]
