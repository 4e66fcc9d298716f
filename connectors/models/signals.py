"""What vendors say of a customer's things, as it was last seen."""

from django.db import models

from connectors.models.connections import ConnectorInstance
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Signal(TenantModel):
    """What a vendor says of a customer that somebody may have to look at, as of the last pull (connectors.signals).

    `owner`: whose it was at the vendor when it was kept, so that a mapping that changes takes it away.
    `count`: of what is a number, such as devices, and no event.
    """

    class Kind(models.TextChoices):
        ALERT = "alert", "Alert"
        SLA = "sla", "Service level breached"
        DEVICES = "devices", "Devices"
        CVES = "cves", "Known vulnerabilities"

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical"
        HIGH = "high", "High"
        MEDIUM = "medium", "Medium"
        LOW = "low", "Low"
        UNKNOWN = "unknown", "Not said"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Over"

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="signals")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    external_id = models.CharField(max_length=64)
    owner = models.CharField(max_length=64)
    title = models.CharField(max_length=320)
    severity = models.CharField(max_length=16, choices=Severity, default=Severity.UNKNOWN)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    count = models.PositiveBigIntegerField(null=True)
    opened_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "customer", "kind", "external_id"], name="connectors_signal_known"
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "state", "id"], name="connectors_signal_state"),
            models.Index(fields=["tenant_id", "customer", "state", "id"], name="connectors_signal_customer"),
        ]

    def __str__(self) -> str:
        return self.title


class SignalPull(TenantModel):
    """When a connection was last asked for signals, and what came of it. `code`: why nothing did.

    `unmapped`: of clients who are nobody's among our customers; `unreadable`: of nobody at all. Neither is kept.
    """

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="pulls")
    pulled_at = models.DateTimeField(null=True)
    ok_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=64, blank=True)
    kept = models.PositiveIntegerField(default=0)
    unmapped = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_pull_instance")]

    def __str__(self) -> str:
        return self.code or "ok"
