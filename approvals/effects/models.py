"""What people are shown of what a request would change."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Preview(TenantModel):
    """The objects that a request is about, as the broker has read them before anybody voted. Once for each request.

    Only the broker's role may write one. `digest`: of what has to be so still when the call is made. `why`: there is
    none. `calls`: those by which it was read.
    """

    class State(models.TextChoices):
        READING = "reading", "Being read"
        READ = "read", "Read"
        NONE = "none", "There is none"

    request = TenantKey("approvals.ApprovalRequest", models.DO_NOTHING, related_name="previews")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.READING)
    objects_seen = models.JSONField(default=list)
    digest = models.CharField(max_length=64, blank=True)
    why = models.CharField(max_length=300, blank=True)
    calls = models.JSONField(default=list)
    begun_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "request"], name="approvals_preview_once"),
            models.CheckConstraint(
                condition=~models.Q(state="read") | (models.Q(read_at__isnull=False) & ~models.Q(digest="")),
                name="approvals_preview_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"preview of {self.request_id} ({self.state})"
