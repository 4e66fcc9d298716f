"""Billing over the API: the portal's rooms, with the same permissions."""

from typing import Any

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from audit.kinds import EventKind
from audit.models import Event
from audit.selectors import events
from billing.drift import DriftState
from billing.exports import Format, What
from billing.models import PriceList, SubscriptionPeriod
from billing.months import parsed
from billing.plans import set_prices
from billing.pricing import overview
from billing.selectors import subscription_periods
from identity.permissions import Permission
from identity.rest import TenantViewSet
from msplex.portal.billing_files import give_out
from msplex.portal.billing_forms import MOST_FREE
from msplex.portal.usage import month_in, usage_of

MONTH = OpenApiParameter("month", str, description="Such as 2026-04, of the last two years; that of now unless said.")
MONEY = {"max_digits": 12, "decimal_places": 2}


class MeterOut(serializers.Serializer[Any]):
    meter = serializers.CharField()
    kind = serializers.CharField(help_text="counter: the sum of the month; gauge: its peak.")
    quantity = serializers.IntegerField(source="number")


class ShareOut(serializers.Serializer[Any]):
    connector = serializers.CharField(source="label")
    calls = serializers.IntegerField(source="number")


class OfCustomerOut(serializers.Serializer[Any]):
    customer = serializers.UUIDField(source="customer.pk")
    calls = serializers.IntegerField()
    vendor_requests = serializers.IntegerField()
    active_assets = serializers.IntegerField(help_text="The most at one time.")


class DayOut(serializers.Serializer[Any]):
    day = serializers.DateField()
    calls = serializers.IntegerField()


class OverageOut(serializers.Serializer[Any]):
    connector = serializers.CharField()
    included = serializers.IntegerField()
    used = serializers.IntegerField()
    over = serializers.IntegerField()
    charge = serializers.DecimalField(**MONEY, allow_null=True, help_text="Null where the plan refuses them.")  # type: ignore[arg-type]
    currency = serializers.CharField()


@extend_schema_serializer(many=False)  # a `list` action that answers with one
class UsageOut(serializers.Serializer[Any]):
    month = serializers.DateField()
    closed = serializers.BooleanField(help_text="What is still found for it becomes a correction in a later one.")
    as_of = serializers.DateTimeField(allow_null=True, help_text="Everything recorded until then is in it.")
    calls = serializers.IntegerField()
    corrections = serializers.IntegerField(help_text="Calls of closed months that are billed in this one.")
    forecast = serializers.IntegerField(allow_null=True, help_text="Calls at the end of the month, if it goes on so.")
    meters = MeterOut(many=True)
    days = DayOut(source="bars", many=True)
    connectors = ShareOut(source="by_connector", many=True)
    customers = OfCustomerOut(source="by_customer", many=True)
    overages = OverageOut(many=True, help_text="For those who see the plan.")


class PeriodOut(serializers.ModelSerializer[SubscriptionPeriod]):
    status = serializers.CharField()
    plan = serializers.CharField(source="plan_version.plan")
    plan_number = serializers.IntegerField(source="plan_version.number")
    seats = serializers.IntegerField(source="plan_version.seats", allow_null=True)
    retention_days = serializers.IntegerField(source="plan_version.retention_days")
    isolation = serializers.CharField(source="plan_version.isolation")
    weight = serializers.IntegerField(
        source="plan_version.weight", help_text="Of its calls in the line, beside others that flood it."
    )
    free_assets = serializers.IntegerField(source="plan_version.free_assets", help_text="Of each customer.")
    asset_price = serializers.DecimalField(**MONEY, source="plan_version.asset_price")  # type: ignore[arg-type]
    currency = serializers.CharField(source="plan_version.currency")
    connectors = serializers.DictField(source="plan_version.connectors")

    class Meta:
        model = SubscriptionPeriod
        fields = (
            "id", "version", "status", "plan", "plan_number", "connectors", "seats", "retention_days", "isolation",
            "weight", "free_assets", "asset_price", "currency", "valid_from", "valid_to", "changed_by", "reason",
        )  # fmt: skip


class LineOut(serializers.Serializer[Any]):
    customer = serializers.UUIDField(source="customer_id")
    key = serializers.CharField()
    name = serializers.CharField()
    active_assets = serializers.IntegerField()
    billable_assets = serializers.IntegerField()
    amount = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    psa_billed = serializers.DecimalField(
        **MONEY,  # type: ignore[arg-type]
        source="psa.billed",
        allow_null=True,
        help_text="What agreements in the PSA bill, in this month; null: not known.",
    )
    psa_drift = serializers.DecimalField(
        **MONEY,  # type: ignore[arg-type]
        source="psa.drift",
        allow_null=True,
        help_text="Active assets less what is billed.",
    )
    psa_state = serializers.ChoiceField(source="psa.state", choices=list(DriftState))


@extend_schema_serializer(many=False)
class OverviewOut(serializers.Serializer[Any]):
    """An estimate."""

    month = serializers.DateField()
    counted_at = serializers.DateTimeField(allow_null=True, help_text="When assets were counted; null: never.")
    free_assets = serializers.IntegerField(source="prices.free_assets", help_text="Of each customer.")
    asset_price = serializers.DecimalField(**MONEY, source="prices.asset_price")  # type: ignore[arg-type]
    currency = serializers.CharField(source="prices.currency")
    total = serializers.DecimalField(**MONEY)  # type: ignore[arg-type]
    customers = LineOut(source="lines", many=True)


class ExportOut(serializers.ModelSerializer[Event]):
    what = serializers.CharField(source="facts.what", default="")
    month = serializers.CharField(source="facts.month", default="")
    format = serializers.CharField(source="facts.format", default="")
    by = serializers.CharField(source="facts.actor_label", default="")
    ledger = serializers.CharField(
        source="facts.ledger",
        default="",
        help_text="Digest of all calls of the month when it was made, of all customers.",
    )

    class Meta:
        model = Event
        fields = ("id", "occurred_at", "what", "month", "format", "by", "ledger")


class PriceIn(serializers.Serializer[Any]):
    free_assets = serializers.IntegerField(min_value=0, max_value=MOST_FREE)
    asset_price = serializers.DecimalField(max_digits=10, decimal_places=2, min_value=0)
    currency = serializers.RegexField(r"\A[A-Z]{3}\Z", help_text="ISO 4217.")


class PriceOut(serializers.ModelSerializer[PriceList]):
    class Meta:
        model = PriceList
        fields = ("id", "free_assets", "asset_price", "currency", "valid_from", "valid_to", "changed_by")


class MonthIn(serializers.Serializer[Any]):
    month = serializers.CharField(required=False)

    def validate_month(self, value: str) -> str:
        if parsed(value) is None:
            raise serializers.ValidationError("Say a month, such as 2026-04.")
        return value


class FileIn(MonthIn):
    what = serializers.ChoiceField(choices=list(What), default=What.USAGE.value)
    format = serializers.ChoiceField(choices=list(Format), default=Format.CSV.value)


class UsageViewSet(TenantViewSet):
    serializer_class = UsageOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"list": Permission.BILLING_USAGE_READ}

    @extend_schema(parameters=[MONTH], responses=UsageOut, operation_id="usage_retrieve")
    def list(self, request: Request) -> Response:
        MonthIn(data=request.query_params).is_valid(raise_exception=True)
        now = timezone.now()
        with_plan = self.principal.allows_everywhere(Permission.BILLING_ACCOUNT_READ)
        return Response(UsageOut(usage_of(month_in(request._request.GET, now), now, with_plan=with_plan)).data)


class PlanViewSet(ListModelMixin, TenantViewSet):
    """The subscription, newest first: each change with the terms that held from it on."""

    serializer_class = PeriodOut
    required_permissions = {"list": Permission.BILLING_ACCOUNT_READ}

    def get_queryset(self) -> Any:
        return subscription_periods()


class OverviewViewSet(TenantViewSet):
    serializer_class = OverviewOut
    pagination_class = None  # type: ignore[assignment]
    required_permissions = {"list": Permission.BILLING_ACCOUNT_READ}

    @extend_schema(parameters=[MONTH], responses=OverviewOut, operation_id="billing_overview_retrieve")
    def list(self, request: Request) -> Response:
        MonthIn(data=request.query_params).is_valid(raise_exception=True)
        now = timezone.now()
        return Response(OverviewOut(overview(month_in(request._request.GET, now), now)).data)


class ExportViewSet(ListModelMixin, TenantViewSet):
    """What was exported, by whom; and the files."""

    serializer_class = ExportOut
    required_permissions = dict.fromkeys(("list", "file"), Permission.BILLING_ACCOUNT_READ)

    def get_queryset(self) -> Any:
        return events().filter(kind=EventKind.USAGE_EXPORTED.value)

    @extend_schema(
        parameters=[
            MONTH, OpenApiParameter("what", str, enum=list(What), default="usage"),
            OpenApiParameter("format", str, enum=list(Format), default="csv"),
        ],
        responses={(200, "text/csv"): OpenApiTypes.BINARY, (200, "application/json"): OpenApiTypes.ANY},
    )  # fmt: skip
    @action(detail=False, methods=["get"], pagination_class=None)
    def file(self, request: Request) -> HttpResponseBase:
        """On the record before its first row."""
        asked = FileIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        what, made_as = What(asked.validated_data["what"]), Format(asked.validated_data["format"])
        month = month_in(request._request.GET, timezone.now())
        return give_out(what, month, made_as, principal=self.principal, by=self.actor)


class PriceViewSet(TenantViewSet):
    serializer_class = PriceOut
    required_permissions = {"create": Permission.BILLING_PRICE_MANAGE}
    recent_mfa_actions = frozenset({"create"})

    @extend_schema(request=PriceIn, responses={201: PriceOut})
    def create(self, request: Request) -> Response:
        """What the estimates are made with from now on."""
        asked = PriceIn(data=request.data)
        asked.is_valid(raise_exception=True)
        made = set_prices(**asked.validated_data, by=self.actor)
        return Response(PriceOut(made).data, status=201)


routes = [
    ("usage", UsageViewSet, "usage"),
    ("billing-plan", PlanViewSet, "billing-plan"),
    ("billing-overview", OverviewViewSet, "billing-overview"),
    ("billing-exports", ExportViewSet, "billing-export"),
    ("billing-prices", PriceViewSet, "billing-price"),
]
