"""Where: the tenant (an MSP), its customers (the MSP's clients), and what it may use."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.isolation.context import acting_tenant
from tenants.isolation.models import TenantKey, TenantModel

KEY_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
key_validator = RegexValidator(KEY_PATTERN, "Use lower-case letters, digits and hyphens, such as acme-dental.")


class Tenant(TenantModel):
    """The acting tenant's own row. Its id is the tenant's id."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    name = models.CharField(max_length=200)
    workspace = models.CharField(max_length=63, validators=[key_validator])
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)

    class Meta:
        constraints = [models.CheckConstraint(name="tenants_tenant_is_itself", condition=Q(id=models.F("tenant_id")))]

    def __str__(self) -> str:
        return self.name


class Revision(TenantModel):
    """Counts the changes of everything a decision reads. Moved by triggers alone; no role of ours may write it."""

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    number = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.number)


class Customer(TenantModel):
    """A client of the MSP."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        ARCHIVED = "archived", "Archived"

    name = models.CharField(max_length=200)
    key = models.CharField(
        max_length=63,
        validators=[key_validator],
        help_text="Short name used by agents, such as acme-dental.",
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    # Of its web site and e-mail addresses, as the MSP says: what clients of vendors' systems are compared with.
    domains = models.JSONField(default=list)
    monthly_calls = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls of all connectors in a calendar month; none: as many as the plan has."
    )
    calls_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls of all connectors in a minute; none: as many as the plan has."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "key"], name="tenants_customer_key")]

    def __str__(self) -> str:
        return self.name


class Asset(TenantModel):
    """A thing that is managed for a customer, such as a host. Those that are active count for the customer's estimate.

    `external_ref`: what the system that knows it calls it; unique for the customer and kind where there is one.
    """

    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    kind = models.CharField(max_length=32, default="host")
    name = models.CharField(max_length=200)
    external_ref = models.CharField(max_length=200, blank=True)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "customer", "kind", "external_ref"],
                name="tenants_asset_external",
                condition=~Q(external_ref=""),
            )
        ]

    def __str__(self) -> str:
        return self.name


class BilledQuantity(TenantModel):
    """How much a PSA bills the customer of the product that counts its assets, as it was last read (connectors.billed).

    `source`: the connection; `owner`: the client there. `quantity`: none if there is no such line, or why in `code`.
    """

    source = models.UUIDField()
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    owner = models.CharField(max_length=64)
    product = models.CharField(max_length=100)
    quantity = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    code = models.CharField(max_length=64, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "source", "customer"], name="tenants_billed_customer")
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.quantity}"


class Subscription(TenantModel):
    """Whether the tenant may use the gateway at all. Billing writes it, everyone reads it."""

    class Status(models.TextChoices):
        TRIALING = "trialing", "Trial"
        ACTIVE = "active", "Active"
        PAST_DUE = "past_due", "Past due"
        SUSPENDED = "suspended", "Suspended"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    plan = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    version = models.PositiveIntegerField(default=0)  # of billing's SubscriptionPeriod that was written here
    # Of the plan's terms: none where no plan was agreed, or it has no such limit.
    seats = models.PositiveIntegerField(null=True)
    retention_days = models.PositiveIntegerField(null=True)
    isolation = models.CharField(max_length=16, default="pooled")
    weight = models.PositiveSmallIntegerField(default=1)  # in the line of calls, beside other tenants

    class Meta:
        constraints = [
            models.CheckConstraint(name="tenants_one_subscription", condition=Q(id=models.F("tenant_id"))),
        ]

    def __str__(self) -> str:
        return self.plan


class Entitlement(TenantModel):
    """What the tenant may use of one connector: plain data, without a price."""

    connector = models.CharField(max_length=64)
    included_calls = models.PositiveIntegerField(help_text="Calls in a calendar month.")
    overage_allowed = models.BooleanField(
        default=False,
        help_text="Calls beyond the included ones are counted, not refused.",
    )
    calls_per_minute = models.PositiveIntegerField(default=600)
    valid_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "connector"], name="tenants_entitlement_connector")]

    def __str__(self) -> str:
        return self.connector
