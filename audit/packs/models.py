"""Packs, their files in pieces, what waits for a signature, the domains of handovers, and what witnesses hand in."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Pack(TenantModel):
    """A customer's events in the leaves [start, size) of one tree. `domain`: a handover, such as @msp.example.

    `interim`: made before its month was over. It moves nothing: the next pack begins where the last final one ended.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        COLLECTING = "collecting", "Collecting events"
        SUMMARISING = "summarising", "Setting the summary"
        SIGNING = "signing", "Being signed"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    customer = TenantKey(Customer, models.DO_NOTHING)
    month = models.CharField(max_length=7)
    domain = models.CharField(max_length=255, blank=True)
    interim = models.BooleanField(default=False)
    epoch = models.IntegerField()
    start = models.BigIntegerField()
    size = models.BigIntegerField()
    cut_at = models.DateTimeField(default=timezone.now)
    k_from = models.BigIntegerField(null=True)
    k_to = models.BigIntegerField(null=True)
    left_out = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "customer", "epoch", "month", "domain"],
                condition=Q(interim=False),
                name="audit_pack_once",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "customer", "domain"],
                condition=Q(interim=True) & ~Q(state__in=["ready", "failed"]),
                name="audit_pack_one_interim",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "state", "id"], name="audit_pack_state")]

    def __str__(self) -> str:
        return f"{self.month}{' interim' if self.interim else ''} {self.domain}".strip()

    @property
    def is_open(self) -> bool:
        return self.state not in {self.State.READY, self.State.FAILED}

    @property
    def percent(self) -> int:
        return min(99, 100 * self.done // self.total) if self.total else 0


class PackPiece(TenantModel):
    """A megabyte of a file of a pack. In the database: both walls stand before it, and one backup has it all."""

    pack = TenantKey(Pack, models.DO_NOTHING)
    customer = TenantKey(Customer, models.DO_NOTHING)
    name = models.CharField(max_length=100)
    position = models.IntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "pack", "name", "position"], name="audit_packpiece_place")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.position}"


class SignatureRequest(TenantModel):
    """What the worker asks the sealer to sign for a pack. The sealer alone writes the second half of the row."""

    class Purpose(models.TextChoices):
        PDF = "pdf", "The summary's signed attributes"
        SUMS = "sums", "SHA256SUMS"

    pack = TenantKey(Pack, models.DO_NOTHING)
    customer = TenantKey(Customer, models.DO_NOTHING)
    purpose = models.CharField(max_length=8, choices=Purpose)
    message = models.BinaryField()
    signature = models.BinaryField(null=True)
    key = models.BinaryField(null=True)
    refused = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "pack", "purpose"], name="audit_signaturerequest_once")
        ]

    def __str__(self) -> str:
        return self.purpose


class HandoverDomain(TenantModel):
    """A mail domain that the tenant says is its own; `verified_at`: the proof was found there. In ASCII, lower case."""

    name = models.CharField(max_length=253)
    token = models.CharField(max_length=64)
    added_by = models.CharField(max_length=200)
    added_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "name"], name="audit_handoverdomain_name")]

    def __str__(self) -> str:
        return self.name


class Cosignature(TenantModel):
    """A witness's word, checked, that it saw the log only grow up to this size (c2sp.org/tlog-cosignature)."""

    customer = TenantKey(Customer, models.DO_NOTHING)
    epoch = models.IntegerField()
    size = models.BigIntegerField()
    witness = models.CharField(max_length=400)
    line = models.CharField(max_length=500)
    stamped_at = models.DateTimeField()
    handed_in_by = models.CharField(max_length=200)
    handed_in_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "customer", "epoch", "size", "line"], name="audit_cosignature_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.witness.partition('+')[0]} {self.size}"
