"""How much was used and on what terms: what the quota gate counts and what an invoice is made from."""

from decimal import Decimal

from django.db import models
from django.utils import timezone

from billing.files.models import ExportFile, ExportPiece
from tenants.isolation.context import acting_tenant
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer, Subscription

__all__ = [
    "ClosedMonth", "CustomerCounter", "ExportFile", "ExportPiece", "GaugeSample", "PlanVersion", "PriceList",
    "QuotaCounter", "RollupMark", "SubscriptionPeriod", "UsageCorrection", "UsageEvent", "UsageRollup",
]  # fmt: skip


class QuotaCounter(TenantModel):
    """Calls reserved in one calendar month (UTC) for one connector. The row is the lock between concurrent calls."""

    connector = models.CharField(max_length=64)
    month = models.DateField()
    used = models.PositiveIntegerField(default=0)
    warned = models.PositiveSmallIntegerField(default=0)  # per cent that somebody was told of: 0, 80 or 100

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "connector", "month"],
                name="billing_quotacounter_month",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connector} {self.month:%Y-%m}: {self.used}"


class CustomerCounter(TenantModel):
    """Calls reserved for one customer in one calendar month (UTC), of all connectors, whether it has a limit or not."""

    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    month = models.DateField()
    used = models.PositiveIntegerField(default=0)
    warned = models.PositiveSmallIntegerField(default=0)  # as of a QuotaCounter, of the customer's limit

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "customer", "month"], name="billing_customercounter_month")
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.used}"


class UsageEvent(TenantModel):
    """One metered call. Its id is the call's, so a call is billed once; written in the transaction of its outcome."""

    customer = TenantKey(Customer, models.DO_NOTHING)
    occurred_at = models.DateTimeField()
    connector = models.CharField(max_length=64)
    tool = models.CharField(max_length=128)
    principal_id = models.UUIDField()
    quantity = models.PositiveIntegerField(default=1)
    vendor_requests = models.PositiveIntegerField(default=0)
    egress_bytes = models.PositiveBigIntegerField(default=0)  # of the bodies that went to the vendor and came back
    ai_calls = models.PositiveSmallIntegerField(default=0)  # 1: an AI agent called, which a person had connected
    recorded_at = models.DateTimeField(default=timezone.now)  # what a rollup goes by to find what is new

    def __str__(self) -> str:
        return f"{self.tool} x{self.quantity}"


class PlanVersion(TenantModel):
    """Terms, as they were agreed with this tenant. Never changed: other terms are the next version."""

    plan = models.CharField(max_length=64)
    number = models.PositiveIntegerField()
    currency = models.CharField(max_length=3, default="EUR")
    seats = models.PositiveIntegerField(null=True)  # none: any number
    retention_days = models.PositiveIntegerField()
    isolation = models.CharField(max_length=16, default="pooled")
    weight = models.PositiveSmallIntegerField(default=1)
    # Of each customer: what the estimate goes by until the tenant has a price list of its own.
    free_assets = models.PositiveIntegerField(default=5)
    asset_price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("3.00"))
    connectors = models.JSONField()  # billing.plans.ConnectorTerms, by the connector's key
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "plan", "number"], name="billing_planversion_number")
        ]

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"


class SubscriptionPeriod(TenantModel):
    """The subscription from one change to the next. A row is closed by the change that ends it, and never altered."""

    plan_version = TenantKey(PlanVersion, models.DO_NOTHING, related_name="+")
    status = models.CharField(max_length=16, choices=Subscription.Status)
    version = models.PositiveIntegerField()
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=200)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "valid_to"], name="billing_period_open", nulls_distinct=False),
            models.UniqueConstraint(fields=["tenant_id", "version"], name="billing_period_version"),
        ]

    def __str__(self) -> str:
        return f"{self.status} since {self.valid_from:%Y-%m-%d}"


class PriceList(TenantModel):
    """What the tenant estimates its customers' assets at, from one change to the next."""

    free_assets = models.PositiveIntegerField(default=5)
    asset_price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("3.00"))
    currency = models.CharField(max_length=3, default="EUR")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "valid_to"], name="billing_prices_open", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.asset_price} {self.currency} after {self.free_assets}"


class GaugeSample(TenantModel):
    """How many there were at a moment; without a customer: of the whole tenant."""

    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    meter = models.CharField(max_length=32)
    at = models.DateTimeField()
    value = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "at"], name="billing_gaugesample_at")]

    def __str__(self) -> str:
        return f"{self.meter}: {self.value}"


class UsageRollup(TenantModel):
    """Of one hour or day (UTC): the sum of a counter, the peak of a gauge. Can be made anew at any time."""

    class Grain(models.TextChoices):
        HOUR = "hour", "Hour"
        DAY = "day", "Day"

    grain = models.CharField(max_length=4, choices=Grain)
    starts_at = models.DateTimeField()
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    meter = models.CharField(max_length=32)
    connector = models.CharField(max_length=64, blank=True)
    quantity = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "grain", "starts_at", "meter", "connector", "customer"],
                name="billing_usagerollup_one",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.starts_at:%Y-%m-%d %H}: {self.quantity}"


class RollupMark(TenantModel):
    """Until when everything that was recorded is rolled up. Its row is the lock between two rollups."""

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    upto = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.upto)


class ClosedMonth(TenantModel):
    """What was billed for it stays as it is; what is still found for it becomes a UsageCorrection."""

    month = models.DateField()
    closed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "month"], name="billing_closedmonth_month")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class UsageCorrection(TenantModel):
    """What was found for a closed month, and the open one in which it is billed."""

    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    meter = models.CharField(max_length=32)
    connector = models.CharField(max_length=64, blank=True)
    month = models.DateField()
    booked_in = models.DateField()
    quantity = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "booked_in"], name="billing_correction_booked")]

    def __str__(self) -> str:
        return f"{self.meter} {self.month:%Y-%m}: {self.quantity:+}"
