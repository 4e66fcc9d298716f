"""What happened. Insert-only: no role of a running process may change or remove an event."""

import json
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from audit.packs.models import Cosignature, HandoverDomain, Pack, PackPiece, SignatureRequest
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer

__all__ = [
    "Checkpoint", "CheckpointSignature", "Cosignature", "Epoch", "Event", "HandoverDomain", "Leaf", "Pack", "PackPiece",
    "SignatureRequest", "Tile",
]  # fmt: skip


class Event(TenantModel):
    """`header` is what a proof is made over; it commits to `body`, which holds personal data and can be erased later.

    Both are canonical JSON (audit.canonical). The other columns repeat the header for searching.
    """

    occurred_at = models.DateTimeField()
    kind = models.CharField(max_length=64)
    result = models.CharField(max_length=16)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.UUIDField(null=True)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True)
    subject_kind = models.CharField(max_length=32, blank=True)
    subject_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    call_id = models.UUIDField(null=True)
    instance_id = models.UUIDField(null=True)
    tool = models.CharField(max_length=128, blank=True)
    header = models.BinaryField()
    body = models.BinaryField(null=True)
    # Where it comes from (audit.streams).
    writer = models.CharField(max_length=16)
    boot = models.UUIDField()
    n = models.BigIntegerField()
    mac = models.BinaryField()

    class Meta:
        indexes = [  # beside the one of the customer, which tenant_table() makes
            models.Index(fields=["tenant_id", "kind", "id"], name="audit_event_kind"),
            models.Index(fields=["tenant_id", "subject_id", "id"], name="audit_event_subject"),
            models.Index(fields=["tenant_id", "actor_id", "id"], name="audit_event_actor"),
            models.Index(fields=["tenant_id", "result", "id"], name="audit_event_result"),
            models.Index(fields=["tenant_id", "request_id", "id"], name="audit_event_request"),
            models.Index(fields=["tenant_id", "tool", "id"], name="audit_event_tool"),
            models.Index(
                fields=["tenant_id", "call_id", "id"], name="audit_event_call", condition=Q(call_id__isnull=False)
            ),
            models.Index(
                fields=["tenant_id", "instance_id", "id"],
                name="audit_event_instance",
                condition=Q(instance_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.result}"

    @property
    def second(self) -> dict[str, Any] | None:
        """Id and kind of whom the actor acted for."""
        acted_for: dict[str, Any] | None = json.loads(bytes(self.header))["actor"].get("on_behalf_of")
        return acted_for

    @property
    def facts(self) -> dict[str, Any]:
        """What the body says, or nothing once it was erased."""
        told: dict[str, Any] = json.loads(bytes(self.body)) if self.body else {}
        return {name: value for name, value in told.items() if name != "salt"}


class Epoch(TenantModel):
    """One tree of the tenant. A new one begins where the last cannot go on, such as after a restore from a backup.

    `origin` is the name of the tree in its checkpoints; `event_id` is the event that must be its first leaf.
    """

    number = models.IntegerField()
    origin = models.CharField(max_length=255)
    event_id = models.UUIDField(null=True)
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "number"], name="audit_epoch_number")]

    def __str__(self) -> str:
        return self.origin


class Leaf(TenantModel):
    """Where an event is in the tree: its id is the event's. `k` counts the customer's events, or those without one."""

    epoch = models.IntegerField()
    index = models.BigIntegerField()
    customer_id = models.UUIDField(null=True)
    k = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "epoch", "index"], name="audit_leaf_index"),
            models.UniqueConstraint(
                fields=["tenant_id", "epoch", "customer_id", "k"], name="audit_leaf_k", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.epoch}/{self.index}"


class Tile(TenantModel):
    """A whole tile of 256 hashes (c2sp.org/tlog-tiles), with the root over them; level 1 is that of 256 leaves."""

    epoch = models.IntegerField()
    level = models.SmallIntegerField()
    number = models.BigIntegerField()
    hashes = models.BinaryField()
    root = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "epoch", "level", "number"], name="audit_tile_place")
        ]

    def __str__(self) -> str:
        return f"{self.epoch}/{self.level}/{self.number}"


class Checkpoint(TenantModel):
    """What the tree was at a size. Committed first, then signed.

    `leaves`: the hashes that it added to the last tile of level 0; those of whole tiles stand there.
    """

    epoch = models.IntegerField()
    size = models.BigIntegerField()
    root = models.BinaryField()
    leaves = models.BinaryField()
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "epoch", "size"], name="audit_checkpoint_size")]

    def __str__(self) -> str:
        return f"{self.epoch}/{self.size}"


class CheckpointSignature(TenantModel):
    """`key` is the public half (Ed25519, 32 bytes) of the log key that made `value`."""

    epoch = models.IntegerField()
    size = models.BigIntegerField()
    key = models.BinaryField()
    value = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "epoch", "size", "key"], name="audit_signature_key")
        ]

    def __str__(self) -> str:
        return f"{self.epoch}/{self.size}"


class Alert(TenantModel):
    """Something that a person has to look at. What happens again while it is open is counted (AlertHit)."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"

    kind = models.CharField(max_length=32)
    severity = models.CharField(max_length=16)
    key = models.BinaryField()
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    counted = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    event_id = models.UUIDField()
    event_kind = models.CharField(max_length=64)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=200, blank=True)
    subject_kind = models.CharField(max_length=32, blank=True)
    subject_id = models.UUIDField(null=True)
    subject_label = models.CharField(max_length=200, blank=True)
    instance_id = models.UUIDField(null=True)
    tool = models.CharField(max_length=128, blank=True)
    told_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "key"], condition=Q(state="open"), name="audit_alert_open")
        ]
        indexes = [models.Index(fields=["tenant_id", "state", "id"], name="audit_alert_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    @property
    def count(self) -> int:
        """How often it happened, as audit.selectors.alerts reads it."""
        return self.counted + int(getattr(self, "hits", 0))

    @property
    def latest_at(self) -> datetime:
        hit_at: datetime | None = getattr(self, "hit_at", None)
        return max(self.last_at, hit_at) if hit_at else self.last_at


class AlertHit(TenantModel):
    """One event that raised, or may yet raise, an alert; its id is the event's. Nothing of a customer is in it."""

    key = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "key", "id"], name="audit_alerthit_key")]

    def __str__(self) -> str:
        return str(self.id)


class SavedFilter(TenantModel):
    """What somebody narrows the log by, under a name. A shared one is shown to all who see the whole tenant."""

    owner_id = models.UUIDField()
    owner_label = models.CharField(max_length=200)
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=1000)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "owner_id", "name"], name="audit_savedfilter_name")]

    def __str__(self) -> str:
        return self.name
