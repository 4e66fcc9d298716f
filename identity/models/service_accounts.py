"""Automation."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from identity.models.people import User
from identity.models.principals import Principal
from tenants.isolation.models import TenantKey, TenantModel

LONGEST_LIFETIME = timedelta(days=366)


class ServiceAccount(TenantModel):
    """Automation: for a purpose, answered for by a person, until a day. `locked_at`: an old secret was used again."""

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="service_accounts")
    name = models.CharField(max_length=200)
    purpose = models.CharField(max_length=500)
    owner = TenantKey(User, models.DO_NOTHING, related_name="+")
    client_id = models.CharField(max_length=64)
    token_seconds = models.PositiveSmallIntegerField(default=900)
    created_at = models.DateTimeField(auto_now_add=True)
    renewed_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    locked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_address = models.CharField(max_length=45, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "name"], name="identity_serviceaccount_name"),
            models.UniqueConstraint(fields=["tenant_id", "client_id"], name="identity_serviceaccount_client"),
            models.CheckConstraint(
                condition=Q(principal=models.F("id")), name="identity_serviceaccount_is_its_principal"
            ),
            models.CheckConstraint(condition=~Q(purpose=""), name="identity_serviceaccount_purpose"),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("renewed_at") + LONGEST_LIFETIME), name="identity_serviceaccount_ends"
            ),
            models.CheckConstraint(
                condition=Q(token_seconds__gte=60, token_seconds__lte=3600), name="identity_serviceaccount_token_life"
            ),
        ]

    def __str__(self) -> str:
        return self.name
