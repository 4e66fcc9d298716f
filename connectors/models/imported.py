"""What servers offer, and what was declared of it."""

from django.db import models
from django.db.models import Q

from tenants.isolation.models import TenantKey, TenantModel


class ImportedTool(TenantModel):
    """A tool that the server of a connection offers, and what an administrator has declared of it.

    `seen`: its definition as it was last seen there; without a digest it is gone. `pinned`: the definition that the
    declaration was made for. Callers see `title` and `description`, which are the administrator's.
    """

    class State(models.TextChoices):
        DISCOVERED = "discovered", "Not exposed"
        EXPOSED = "exposed", "Exposed"
        WITHDRAWN = "withdrawn", "Withdrawn"
        CHANGED = "changed", "Changed, to be reviewed"

    instance = TenantKey("connectors.ConnectorInstance", models.DO_NOTHING, related_name="imported_tools")
    name = models.CharField(max_length=60)
    state = models.CharField(max_length=16, choices=State, default=State.DISCOVERED)
    seen = models.JSONField(default=dict)
    seen_digest = models.CharField(max_length=64, blank=True)
    pinned = models.JSONField(default=dict)
    pinned_digest = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=200, blank=True)
    description = models.CharField(max_length=2000, blank=True)
    risk = models.CharField(max_length=16, blank=True)
    tier = models.CharField(max_length=16, blank=True)
    declaration = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    classified_at = models.DateTimeField(null=True)
    classified_by = models.CharField(max_length=200, blank=True)
    exposed_at = models.DateTimeField(null=True)
    exposed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance", "name"], name="connectors_imported_name"),
            models.CheckConstraint(
                name="connectors_exposed_as_reviewed",
                condition=~Q(state="exposed")
                | (Q(seen_digest=models.F("pinned_digest")) & ~Q(pinned_digest="") & Q(exposed_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Discovery(TenantModel):
    """One look at what the server of a connection offers. `code`: why there was no answer; empty when all was well.

    `reasons`: of what is unusable, how many for which reason (connectors.imported.definitions.Listed).
    """

    instance = TenantKey("connectors.ConnectorInstance", models.DO_NOTHING, related_name="discoveries")
    created_at = models.DateTimeField(auto_now_add=True)
    code = models.CharField(max_length=64, blank=True)
    found = models.PositiveIntegerField(default=0)
    unusable = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "instance", "id"], name="connectors_discovery_last")]

    def __str__(self) -> str:
        return self.code or f"{self.found} tools"
