"""Browsers that are signed in, and tries that failed."""

from typing import ClassVar

from django.db import models

from identity.models.principals import Principal
from tenants.isolation.models import TenantKey, TenantModel


class Session(TenantModel):
    """A browser that signed in with both factors. The cookie has the key; here is only its digest."""

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="+")
    key_hash = models.BinaryField(max_length=32)
    epoch = models.PositiveBigIntegerField()
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    mfa_at = models.DateTimeField()
    mfa_method = models.CharField(max_length=20)
    ended_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "key_hash"], name="identity_session_key"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "principal", "-id"], name="identity_session_principal"),
        ]

    def __str__(self) -> str:
        return f"session of {self.principal_id}"


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
