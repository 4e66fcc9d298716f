"""A tenant's connections to vendors, and whom they serve."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer, key_validator


class ConnectorInstance(TenantModel):
    """One configured connection. What its columns mean together, and what may be done, is in connectors.lifecycle.

    `own_credentials_only`: calls are made for those customers alone who have a credential of their own.
    `noticed`: the trouble that the log was last told of, a lifecycle's state (connectors.noticing).
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        INACTIVE = "inactive", "Inactive"
        RETIRED = "retired", "Retired"  # for good: the database refuses any change of such a row

    class Health(models.TextChoices):
        UNKNOWN = "unknown", "Not checked"
        HEALTHY = "healthy", "Healthy"
        DEGRADED = "degraded", "Degraded"
        FAILING = "failing", "Failing"

    connector = models.CharField(max_length=64)
    slug = models.CharField(max_length=63, validators=[key_validator])
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    created_at = models.DateTimeField(auto_now_add=True)
    configured_at = models.DateTimeField(null=True)
    own_credentials_only = models.BooleanField(default=False)
    activated_at = models.DateTimeField(null=True)
    activated_by = models.CharField(max_length=200, blank=True)
    check_asked_at = models.DateTimeField(null=True)
    health = models.CharField(max_length=16, choices=Health, default=Health.UNKNOWN)
    health_checked_at = models.DateTimeField(null=True)
    health_ok_at = models.DateTimeField(null=True)
    health_failures = models.PositiveIntegerField(default=0)
    health_detail = models.CharField(max_length=300, blank=True)
    health_code = models.CharField(max_length=64, blank=True)
    noticed = models.CharField(max_length=32, blank=True)
    retired_at = models.DateTimeField(null=True)
    retired_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "slug"], name="connectors_instance_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def awaits_check(self) -> bool:
        """One was asked for and has not been made since. The row says so, because a message can be lost."""
        asked, checked = self.check_asked_at, self.health_checked_at
        return asked is not None and (checked is None or checked < asked)


class HealthCheck(TenantModel):
    """How one check of a connection went. `code`: what was wrong; empty when all was well."""

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="checks")
    created_at = models.DateTimeField(auto_now_add=True)
    milliseconds = models.PositiveIntegerField()
    code = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "instance", "created_at"], name="connectors_check_instance")]

    def __str__(self) -> str:
        return self.code or f"{self.milliseconds} ms"


class CustomerMapping(TenantModel):
    """Which client of the vendor's system a customer is. Without one, nothing is fetched for that customer."""

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="mappings")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    external_id = models.CharField(max_length=64)
    external_name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance", "customer"], name="connectors_mapping_customer"),
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "external_id"], name="connectors_mapping_external_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} is {self.external_id}"
