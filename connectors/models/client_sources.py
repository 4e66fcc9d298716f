"""Which tool of a server lists its clients, as an administrator has declared it."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel


class ClientSource(TenantModel):
    """Of one connection whose tools are the tenant's. It is asked for everybody at once, by the broker alone.

    `pinned`: the definition that was looked at; a tool that is described differently is not asked. Paths as in a
    Declaration. `page`: the argument that takes the page's number, counted from `first_page`; without one there is one.
    """

    instance = TenantKey("connectors.ConnectorInstance", models.DO_NOTHING, related_name="client_sources")
    tool = TenantKey("connectors.ImportedTool", models.DO_NOTHING, related_name="+")
    pinned = models.JSONField()
    pinned_digest = models.CharField(max_length=64)
    rows = models.CharField(max_length=300, blank=True)
    client_id = models.CharField(max_length=300)
    name = models.CharField(max_length=300)
    domain = models.CharField(max_length=300, blank=True)
    page = models.CharField(max_length=300, blank=True)
    first_page = models.PositiveSmallIntegerField(default=1)
    declared_at = models.DateTimeField()
    declared_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_clientsource_instance")
        ]

    def __str__(self) -> str:
        return self.client_id
