"""Automation."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from identity.models.people import User
from identity.models.principals import Principal
from tenants.isolation.models import TenantKey, TenantModel


class ServiceAccount(TenantModel):
    """Automation. Its secret is kept as a digest: 256 random bits need no slow hash."""

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="service_accounts")
    name = models.CharField(max_length=200)
    purpose = models.CharField(max_length=500, blank=True)
    owner = TenantKey(User, models.DO_NOTHING, related_name="+")
    client_id = models.CharField(max_length=64)
    secret_hash = models.BinaryField(max_length=32)
    secret_prefix = models.CharField(max_length=16)
    token_seconds = models.PositiveSmallIntegerField(default=900)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "name"], name="identity_serviceaccount_name"),
            models.UniqueConstraint(fields=["tenant_id", "client_id"], name="identity_serviceaccount_client"),
            models.CheckConstraint(
                condition=Q(principal=models.F("id")), name="identity_serviceaccount_is_its_principal"
            ),
            models.CheckConstraint(
                condition=Q(token_seconds__gte=60, token_seconds__lte=3600), name="identity_serviceaccount_token_life"
            ),
        ]

    def __str__(self) -> str:
        return self.name
