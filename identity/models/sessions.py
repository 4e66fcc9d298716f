"""Browsers that are signed in, and tries that failed."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from identity.devices import device_name
from identity.models.principals import Principal
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Session(TenantModel):
    """A browser that signed in with both factors. The cookie has the key; here is only its digest.

    `customer` is the principal's, for the managers of that customer. `ended_by` is a label: it outlives the account.
    """

    class End(models.TextChoices):
        ABSOLUTE = "absolute", "Reached the longest time"
        DISABLED = "disabled", "Account disabled"
        FACTOR_CHANGED = "factor_changed", "Second factor changed"
        IDLE = "idle", "Not used for too long"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        REVOKED = "revoked", "Revoked"
        SIGNED_OUT = "signed_out", "Signed out"
        WITHDRAWN = "withdrawn", "Withdrawn"

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="+")
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    key_hash = models.BinaryField(max_length=32)
    epoch = models.PositiveBigIntegerField()
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    mfa_at = models.DateTimeField()
    mfa_method = models.CharField(max_length=20)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=20, choices=End, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "key_hash"], name="identity_session_key"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | ~Q(end_reason=""), name="identity_session_ended_for_a_reason"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "principal", "-id"], name="identity_session_principal"),
        ]

    def __str__(self) -> str:
        return f"session of {self.principal_id}"

    @property
    def device(self) -> str:
        return device_name(self.user_agent)


class Attempts(TenantModel):
    """How often something secret was tried. `subject` is a digest of what it was tried on and from where."""

    subject = models.BinaryField(max_length=32)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "subject"], name="identity_attempts_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.count} attempts"
