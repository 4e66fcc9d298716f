"""Public keys of automation that proves itself with signed assertions (RFC 7523), and which of those were used."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from identity.models.service_accounts import LONGEST_LIFETIME, ServiceAccount
from tenants.isolation.models import TenantKey, TenantModel

ALGORITHMS = ("EdDSA", "ES256")


class ServiceAccountKey(TenantModel):
    """The public half only. `kid` is its thumbprint (RFC 7638); `slot` says which of the two live ones it is."""

    account = TenantKey(ServiceAccount, models.DO_NOTHING, related_name="keys")
    kid = models.CharField(max_length=43)
    algorithm = models.CharField(max_length=8, choices=[(each, each) for each in ALGORITHMS])
    jwk = models.JSONField()
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_address = models.CharField(max_length=45, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Also of revoked ones: a key that was taken away does not come back.
            models.UniqueConstraint(fields=["tenant_id", "account", "kid"], name="identity_serviceaccountkey_kid"),
            models.UniqueConstraint(
                fields=["tenant_id", "account", "slot"], name="identity_serviceaccountkey_two_live"
            ),
            models.CheckConstraint(
                condition=Q(slot__isnull=True) | Q(slot__in=[1, 2], revoked_at__isnull=True),
                name="identity_serviceaccountkey_slot",
            ),
            models.CheckConstraint(condition=Q(algorithm__in=ALGORITHMS), name="identity_serviceaccountkey_algorithm"),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("created_at") + LONGEST_LIFETIME), name="identity_serviceaccountkey_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"key {self.kid} of {self.account_id}"


class SpentAssertion(TenantModel):
    """An assertion that was presented, by the digest of its `jti`. It is kept for as long as it could be presented."""

    account = TenantKey(ServiceAccount, models.DO_NOTHING, related_name="+")
    digest = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "account", "digest"], name="identity_spentassertion_once"),
        ]

    def __str__(self) -> str:
        return f"assertion of {self.account_id}"
