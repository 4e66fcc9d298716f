"""Who is a client in a vendor's system."""

from django.db import models

from connectors.models.connections import ConnectorInstance
from tenants.isolation.models import TenantKey, TenantModel


class ClientList(TenantModel):
    """The vendor's list of clients, as it was last asked for: when, by whom, and what came of it.

    `code`: why the last try brought nothing; empty when it did. `fetched_at` is of the last try, `ok_at` of the last
    that brought a list. `believe`: whoever asked has seen that most mapped clients are missing, and takes it for true.
    """

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="+")
    asked_at = models.DateTimeField(null=True)
    asked_by = models.CharField(max_length=200, blank=True)
    believe = models.BooleanField(default=False)
    fetched_at = models.DateTimeField(null=True)
    ok_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=64, blank=True)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_clientlist_instance")]

    def __str__(self) -> str:
        return f"{self.count} clients"

    @property
    def is_awaited(self) -> bool:
        """It was asked for and has not been tried since. The row says so, because a message can be lost."""
        return self.asked_at is not None and (self.fetched_at is None or self.fetched_at < self.asked_at)


class VendorClient(TenantModel):
    """A client in the vendor's system. One that has gone there is kept only while a customer is mapped to it."""

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="+")
    external_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    domain = models.CharField(max_length=253, blank=True)
    first_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "external_id"], name="connectors_client_external_id"
            )
        ]

    def __str__(self) -> str:
        return self.name
