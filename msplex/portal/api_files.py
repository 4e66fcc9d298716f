"""Files of billing that are made in the background, over the API: the portal's rooms, with the same permission."""

from typing import Any

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from billing.exports import Format, What
from billing.files.models import ExportFile
from billing.files.services import export_files, order_file
from identity.permissions import Permission
from identity.rest import TenantViewSet
from msplex.portal.api_billing import FileIn
from msplex.portal.billing_files import give_out_made
from msplex.portal.usage import month_from

AGAIN_SECONDS = 5


class FileOut(serializers.ModelSerializer[ExportFile]):
    month = serializers.SerializerMethodField(help_text="Such as 2026-04.")
    percent = serializers.IntegerField()
    rows = serializers.IntegerField(source="done", help_text="That are made.")
    of_rows = serializers.IntegerField(source="total", help_text="0 until they are counted.")
    kept_until = serializers.DateTimeField()

    class Meta:
        model = ExportFile
        fields = (
            "id", "what", "month", "format", "state", "percent", "rows", "of_rows", "problem", "ordered_by",
            "created_at", "ready_at", "kept_until", "size", "sha256", "ledger",
        )  # fmt: skip

    def get_month(self, file: ExportFile) -> str:
        return f"{file.month:%Y-%m}"


class ExportFileViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    """Any export can be ordered, and a long one should be: it says how far it is, and survives a cut connection."""

    serializer_class = FileOut
    required_permissions = dict.fromkeys(("list", "retrieve", "create", "download"), Permission.BILLING_ACCOUNT_READ)

    def get_queryset(self) -> Any:
        return export_files()

    @extend_schema(request=FileIn, responses={202: FileOut})
    def create(self, request: Request) -> Response:
        """The same one while it is being made; ask for it again after Retry-After."""
        asked = FileIn(data=request.data)
        asked.is_valid(raise_exception=True)
        terms, now = asked.validated_data, timezone.now()
        month = month_from(terms.get("month", ""), now)
        made = order_file(What(terms["what"]), month, Format(terms["format"]), by=self.actor)
        return Response(FileOut(made).data, status=202, headers={"Retry-After": str(AGAIN_SECONDS)})

    @extend_schema(
        responses={(200, "text/csv"): OpenApiTypes.BINARY, (200, "application/json"): OpenApiTypes.ANY},
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def download(self, request: Request, pk: str | None = None) -> HttpResponseBase:  # noqa: ARG002
        """With its digest in `Repr-Digest` (RFC 9530). On the record before its first byte."""
        return give_out_made(self.get_object(), principal=self.principal, by=self.actor)


routes = [("billing-files", ExportFileViewSet, "billing-file")]
