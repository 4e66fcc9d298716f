"""How much was used: what the quota gate counts and what an invoice is made from."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class QuotaCounter(TenantModel):
    """Calls reserved in one calendar month (UTC) for one connector. The row is the lock between concurrent calls."""

    connector = models.CharField(max_length=64)
    month = models.DateField()
    used = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "connector", "month"],
                name="billing_quotacounter_month",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connector} {self.month:%Y-%m}: {self.used}"


class UsageEvent(TenantModel):
    """One metered call. Its id is the call's, so a call is billed once; written in the transaction of its outcome."""

    customer = TenantKey(Customer, models.DO_NOTHING)
    occurred_at = models.DateTimeField()
    connector = models.CharField(max_length=64)
    tool = models.CharField(max_length=128)
    principal_id = models.UUIDField()
    quantity = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.tool} x{self.quantity}"
