"""Files of exports, as far as they are made, and what of them is kept."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.isolation.models import TenantKey, TenantModel

KEPT = timedelta(days=7)


class ExportFile(TenantModel):
    """A month's file as of `created_at`: what was recorded later is not in it.

    `after`: the last call of the ledger that is in a piece; `digests`: of the customers' ledgers, which its rows say;
    `holder`: of the lease, so that who has lost it keeps nothing more.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        MAKING = "making", "Being made"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    what = models.CharField(max_length=16)
    month = models.DateField()
    format = models.CharField(max_length=8)
    created_at = models.DateTimeField(default=timezone.now)
    ordered_by = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    done = models.BigIntegerField(default=0)  # rows
    total = models.BigIntegerField(default=0)
    after = models.UUIDField(null=True)
    pieces = models.PositiveIntegerField(default=0)
    digests = models.JSONField(default=dict)
    ledger = models.CharField(max_length=64, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)  # since the last piece that was kept
    holder = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    size = models.BigIntegerField(default=0)  # bytes
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "what", "month", "format"],
                condition=~Q(state__in=["ready", "failed"]),
                name="billing_exportfile_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"msplex-{self.what}-{self.month:%Y-%m}.{self.format}"

    @property
    def is_open(self) -> bool:
        return self.state not in {self.State.READY, self.State.FAILED}

    @property
    def is_whole(self) -> bool:
        """Every row is in a piece."""
        return self.pieces > 0 and self.after is None

    @property
    def percent(self) -> int:
        return min(99, 100 * self.done // self.total) if self.total else 0

    @property
    def kept_until(self) -> datetime:
        return (self.ready_at or self.created_at) + KEPT


class ExportPiece(TenantModel):
    """Some rows of a file, as they are given out. In the database: both walls stand before it, and it goes in time."""

    file = TenantKey(ExportFile, models.DO_NOTHING, related_name="+")
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "file", "position"], name="billing_exportpiece_place")
        ]

    def __str__(self) -> str:
        return str(self.position)
