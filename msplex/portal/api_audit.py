"""The API twins of the audit rooms."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict, StreamingHttpResponse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from audit.alerting import acknowledge_alert
from audit.models import Alert, Event, Leaf, SavedFilter
from audit.saving import remove_filter, save_filter
from audit.selectors import alerts, events_in_sight, place_of, saved_filters
from identity.api_fields import Text
from identity.permissions import Permission
from identity.rest import TenantViewSet
from msplex.portal.event_filters import AlertApiFilter, EventFilter, narrowing_of
from msplex.portal.exports import Format, begin_export
from msplex.portal.trace import Stage, stage_of
from msplex.portal.trace import trace as trace_of


class AuditEventOut(serializers.ModelSerializer[Event]):
    actor = serializers.UUIDField(source="actor_id", allow_null=True)
    subject = serializers.UUIDField(source="subject_id", allow_null=True)
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    instance = serializers.UUIDField(source="instance_id", allow_null=True)  # type: ignore[assignment]
    call = serializers.UUIDField(source="call_id", allow_null=True)
    facts = serializers.DictField(
        help_text="What the body says, such as actor_label, subject_label and address; empty once it was erased."
    )

    class Meta:
        model = Event
        fields: tuple[str, ...] = (
            "id", "occurred_at", "kind", "result", "actor_kind", "actor", "customer", "subject_kind", "subject",
            "instance", "tool", "call", "request_id", "facts",
        )  # fmt: skip


class PlaceOut(serializers.ModelSerializer[Leaf]):
    class Meta:
        model = Leaf
        fields = ("epoch", "index", "k")


class AuditRecordOut(AuditEventOut):
    header = serializers.SerializerMethodField(help_text="The exact text that is proven.")
    body = serializers.SerializerMethodField(help_text="The exact text that the header commits to.", allow_null=True)

    sealed = serializers.SerializerMethodField(help_text="Where it stands in the sealed log; null: not yet.")

    class Meta(AuditEventOut.Meta):
        fields = (*AuditEventOut.Meta.fields, "header", "body", "sealed")

    @extend_schema_field(PlaceOut(allow_null=True))
    def get_sealed(self, event: Event) -> Any:
        place = place_of(event.pk)
        return PlaceOut(place).data if place else None

    def get_header(self, event: Event) -> str:
        return bytes(event.header).decode()

    def get_body(self, event: Event) -> str | None:
        return bytes(event.body).decode() if event.body else None


class TracedOut(AuditEventOut):
    stage = serializers.SerializerMethodField()

    class Meta(AuditEventOut.Meta):
        fields = ("stage", *AuditEventOut.Meta.fields)

    def get_stage(self, event: Event) -> Stage:
        return stage_of(event)


class TraceOut(serializers.Serializer[Any]):
    request_id = serializers.CharField()
    calls = serializers.ListField(child=serializers.UUIDField(), help_text="Those of the request.")
    call = serializers.UUIDField(source="call.id", allow_null=True, default=None, help_text="The one that is traced.")
    counted = serializers.BooleanField(help_text="It is in the usage that is billed.")
    events = TracedOut(many=True, help_text="Oldest first.")
    more = serializers.BooleanField(help_text="There are other events of the request.")


class TraceIn(serializers.Serializer[Any]):
    call = serializers.UUIDField(required=False)
    request = Text(required=False, max_length=64)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1 or len(self.initial_data) != 1:  # an empty one counts as named
            raise serializers.ValidationError("Name one call, or one request.")
        return attrs


class ExportIn(serializers.Serializer[Any]):
    format = serializers.ChoiceField(
        choices=[(each.value, each.value) for each in Format],
        help_text="csv for spreadsheets; jsonl with the exact header and body of each event, to be verified.",
    )


class AuditEventViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = AuditEventOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = EventFilter
    required_permissions = dict.fromkeys(("list", "retrieve", "trace", "export"), Permission.AUDIT_EVENT_READ)

    def get_queryset(self) -> QuerySet[Event]:
        return events_in_sight()

    def get_serializer_class(self) -> Any:
        return AuditRecordOut if self.action == "retrieve" else AuditEventOut

    @extend_schema(request=ExportIn, responses={(200, "text/csv"): str, (200, "application/jsonl"): str})
    @action(detail=False, methods=["post"], pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:
        """What the address narrows, as a file, streamed. It is on the record before its first line."""
        asked = ExportIn(data=request.data)
        asked.is_valid(raise_exception=True)
        plain: Any = request._request
        return begin_export(
            self.filter_queryset(self.get_queryset()),
            Format(asked.validated_data["format"]),
            narrowed=narrowing_of(plain.GET),
            principal=plain.principal,
            by=plain.actor,
        )

    @extend_schema(parameters=[OpenApiParameter("call", UUID), OpenApiParameter("request", str)], responses=TraceOut)
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=())
    def trace(self, request: Request) -> Response:
        asked = TraceIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(TraceOut(trace_of(**asked.validated_data)).data)


class SavedFilterOut(serializers.ModelSerializer[SavedFilter]):
    owner = serializers.UUIDField(source="owner_id", read_only=True)
    owner_label = serializers.CharField(read_only=True)
    query = serializers.CharField(max_length=1000, help_text="As in the address of the list, such as result=failed.")
    shared = serializers.BooleanField(default=False, help_text="Shown to everyone who reads the whole log.")

    class Meta:
        model = SavedFilter
        fields = ("id", "name", "query", "shared", "owner", "owner_label", "created_at")

    def validate_query(self, value: str) -> str:
        return narrowing_of(QueryDict(value))


class SavedFilterViewSet(ListModelMixin, TenantViewSet):
    serializer_class = SavedFilterOut
    required_permissions = dict.fromkeys(("list", "create", "destroy"), Permission.AUDIT_EVENT_READ)

    def get_queryset(self) -> QuerySet[SavedFilter]:
        rows = saved_filters(self.principal.id)
        return rows if self.action == "list" else rows.filter(owner_id=self.principal.id)

    @extend_schema(responses={201: SavedFilterOut})
    def create(self, request: Request) -> Response:
        terms = SavedFilterOut(data=request.data)
        terms.is_valid(raise_exception=True)
        saved = save_filter(**terms.validated_data, by=self.actor)
        return Response(SavedFilterOut(saved).data, status=201)

    @extend_schema(parameters=[OpenApiParameter("id", UUID, OpenApiParameter.PATH)], responses={204: None})
    def destroy(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        remove_filter(self.get_object(), by=self.actor)
        return Response(status=204)


class AlertOut(serializers.ModelSerializer[Alert]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    instance = serializers.UUIDField(source="instance_id", allow_null=True)  # type: ignore[assignment]
    event = serializers.UUIDField(source="event_id", help_text="The one that raised it.")
    actor = serializers.UUIDField(source="actor_id", allow_null=True)
    subject = serializers.UUIDField(source="subject_id", allow_null=True)
    count = serializers.IntegerField(help_text="How often it happened until it was acknowledged.")
    last_at = serializers.DateTimeField(source="latest_at")

    class Meta:
        model = Alert
        fields = (
            "id", "kind", "severity", "state", "count", "first_at", "last_at", "customer", "event", "event_kind",
            "actor_kind", "actor", "actor_label", "subject_kind", "subject", "subject_label", "instance", "tool",
            "acknowledged_at", "acknowledged_by", "note",
        )  # fmt: skip


class NoteIn(serializers.Serializer[Any]):
    note = Text(max_length=1000, help_text="What was found, or done about it.")


class AlertViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = AlertOut
    filter_backends = (DjangoFilterBackend,)
    filterset_class = AlertApiFilter
    required_permissions = {
        "list": Permission.AUDIT_ALERT_READ,
        "retrieve": Permission.AUDIT_ALERT_READ,
        "acknowledge": Permission.AUDIT_ALERT_MANAGE,
    }

    def get_queryset(self) -> QuerySet[Alert]:
        return alerts()

    @extend_schema(request=NoteIn, responses=AlertOut)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str = "") -> Response:  # noqa: ARG002
        alert = self.get_object()  # first: what is sent is nobody's business at an object that is not there
        told = NoteIn(data=request.data)
        told.is_valid(raise_exception=True)
        acknowledge_alert(alert, note=told.validated_data["note"], by=self.actor)
        return Response(AlertOut(self.get_queryset().get(pk=alert.pk)).data)


routes = [
    ("alerts", AlertViewSet, "alert"),
    ("audit-events", AuditEventViewSet, "audit-event"),
    ("saved-filters", SavedFilterViewSet, "saved-filter"),
]
