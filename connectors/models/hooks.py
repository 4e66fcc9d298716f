"""Where a vendor, or a tenant's own automation, may call by itself (connectors.hooks)."""

from django.db import models

from connectors.models.connections import ConnectorInstance
from tenants.isolation.models import TenantKey, TenantModel


class Hook(TenantModel):
    """The webhook of a connection. `address`: what its URL ends with; it says nothing of a tenant.

    Its secret is in no row: it is derived from the portal's key and `generation` (connectors.hook_proof).
    `kept`, `unmapped`, `unreadable` are of the last delivery; `refused` counts since the secret is what it is.
    """

    class Way(models.TextChoices):
        SIGNED = "signed", "Signed events"
        SECRET = "secret", "A call with a secret"

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="hooks")
    address = models.CharField(max_length=32)
    generation = models.CharField(max_length=32)
    way = models.CharField(max_length=16, choices=Way)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    rotated_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    nudged_at = models.DateTimeField(null=True)
    kept = models.PositiveIntegerField(default=0)
    unmapped = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    refused_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_hook_instance"),
            models.UniqueConstraint(fields=["tenant_id", "address"], name="connectors_hook_address"),
        ]

    def __str__(self) -> str:
        return self.address


class HookDelivery(TenantModel):
    """What was delivered lately, so that it counts once. `digest`: of the sender's id for it, or of all of it."""

    hook = TenantKey(Hook, models.DO_NOTHING, related_name="deliveries")
    digest = models.CharField(max_length=64)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "hook", "digest"], name="connectors_hookdelivery_once")
        ]
        indexes = [models.Index(fields=["tenant_id", "received_at"], name="connectors_hookdelivery_old")]

    def __str__(self) -> str:
        return self.digest
