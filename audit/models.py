"""What happened. Insert-only: no role of a running process may change or remove an event."""

import json
from typing import Any

from django.db import models
from django.db.models import Q

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


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
