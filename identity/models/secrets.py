"""Secrets of automation: kept as digests, each with an end; at most two of an account live at once."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from identity.models.service_accounts import LONGEST_LIFETIME, ServiceAccount
from tenants.isolation.models import TenantKey, TenantModel

LONGEST_OVERLAP = timedelta(days=7)


class ServiceAccountSecret(TenantModel):
    """256 random bits need no slow hash. A previous secret is good until `expires_at`, the end of the overlap."""

    class State(models.TextChoices):
        CURRENT = "current"
        PREVIOUS = "previous"  # superseded, and good until the end of the overlap
        RETIRED = "retired"  # superseded before the previous one
        REVOKED = "revoked"

    account = TenantKey(ServiceAccount, models.DO_NOTHING, related_name="secrets")
    digest = models.BinaryField(max_length=32)
    prefix = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=State.choices, default=State.CURRENT)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_address = models.CharField(max_length=45, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant_id", "account", "state"],
                condition=Q(state__in=["current", "previous"]),
                name="identity_secret_two_live",
            ),
            models.UniqueConstraint(fields=["tenant_id", "account", "digest"], name="identity_secret_digest"),
            models.CheckConstraint(
                condition=Q(state__in=["current", "previous", "retired", "revoked"]), name="identity_secret_state"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("created_at") + LONGEST_LIFETIME), name="identity_secret_ends"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["previous", "retired"])
                | Q(superseded_at__isnull=False, expires_at__lte=F("superseded_at") + LONGEST_OVERLAP),
                name="identity_secret_overlap",
            ),
            models.CheckConstraint(
                condition=~Q(state="revoked") | Q(revoked_at__isnull=False), name="identity_secret_revoked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.account_id}"
