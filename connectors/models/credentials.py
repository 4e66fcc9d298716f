"""What is kept of credentials: that there are some for all, ciphertext for the broker."""

from django.db import models

from connectors.models.connections import ConnectorInstance, CustomerMapping
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Credential(TenantModel):
    """That there is a credential, since when and by whom: all anyone but the broker can know of it.

    Its id is the `credential_ref` that stands for the secret everywhere else. `expires_on`: its last day at the vendor,
    as whoever entered it has said. `warned_days`: how near that day was when the log was last told of it.
    `customer`: whose own it is, and no one else's call is made with it; none: it is for the whole connection. Versions
    are counted for each of them.
    """

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="credentials")
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    expires_on = models.DateField(null=True)
    warned_days = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "customer", "version"],
                name="connectors_credential_version",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def fingerprint(self) -> str:
        """To compare by eye. Of the ciphertext as it was sealed, so nothing of the secret can be told by it."""
        return self.digest[:16]


class SealedSecret(TenantModel):
    """Ciphertext as it was given: sealed to the intake key, not usable until the broker has adopted it, then removed.

    The portal may add a row and read none; the broker may change none.
    """

    credential = TenantKey(Credential, models.DO_NOTHING, related_name="+")
    suite = models.CharField(max_length=64)
    kek_id = models.CharField(max_length=64)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "credential"], name="connectors_sealed_credential")]

    def __str__(self) -> str:
        return self.kek_id


class AdoptedSecret(TenantModel):
    """Ciphertext as it is kept: the data key under a storage key, all of it signed by the broker.

    `rev` counts re-keyings. `unreadable`: why the broker has set the row aside; empty in good order. The portal may
    read how old and under which key it is, and nothing of the ciphertext.
    """

    credential = TenantKey(Credential, models.DO_NOTHING, related_name="+")
    suite = models.CharField(max_length=64)
    kek_id = models.CharField(max_length=64)
    payload = models.BinaryField()
    wrapped_key = models.BinaryField()
    rev = models.PositiveIntegerField()
    signature = models.BinaryField()
    intake_kek_id = models.CharField(max_length=64)
    adopted_at = models.DateTimeField()
    data_key_at = models.DateTimeField()
    rekeyed_at = models.DateTimeField(null=True)
    unreadable = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "credential"], name="connectors_adopted_credential")
        ]
        indexes = [models.Index(fields=["tenant_id", "kek_id", "id"], name="connectors_adopted_kek")]

    def __str__(self) -> str:
        return self.kek_id


class OwnCredential(TenantModel):
    """That calls for a mapped customer are made with a credential of its own, and how that one is.

    Its versions are Credentials of the customer. The row goes with the mapping, and with it all that was sealed; what
    was stored and removed stays in the log, which is what the broker asks (connectors.broker). `noticed`: as of a
    ConnectorInstance.
    """

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="own_credentials")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    mapping = TenantKey(CustomerMapping, models.DO_NOTHING, related_name="+")
    stored_at = models.DateTimeField()
    check_asked_at = models.DateTimeField(null=True)
    health = models.CharField(max_length=16, choices=ConnectorInstance.Health, default=ConnectorInstance.Health.UNKNOWN)
    health_checked_at = models.DateTimeField(null=True)
    health_ok_at = models.DateTimeField(null=True)
    health_failures = models.PositiveIntegerField(default=0)
    health_code = models.CharField(max_length=64, blank=True)
    noticed = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance", "customer"], name="connectors_own_customer")
        ]

    def __str__(self) -> str:
        return f"of {self.customer_id}"

    @property
    def awaits_check(self) -> bool:
        """One was asked for and has not been made since."""
        asked, checked = self.check_asked_at, self.health_checked_at
        return asked is not None and (checked is None or checked < asked)
