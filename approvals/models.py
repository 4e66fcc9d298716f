"""What waits for a person."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class ApprovalPolicy(TenantModel):
    """Whether calls need approval: of one risk class, or of one tool. The tool's own rule wins over its class's.

    Without a rule, reading needs none; everything else does.
    """

    risk = models.CharField(max_length=16, blank=True)
    tool = models.CharField(max_length=128, blank=True)
    required = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "risk", "tool"], name="approvals_policy_subject"),
            models.CheckConstraint(
                name="approvals_policy_one_subject",
                condition=(models.Q(risk="") & ~models.Q(tool="")) | (~models.Q(risk="") & models.Q(tool="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool or self.risk}: {'required' if self.required else 'not required'}"


class ApprovalRequest(TenantModel):
    """A call that was stopped at the approval gate, bound to exactly what it would do (`digest`)."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for approval"
        EXPIRED = "expired", "Expired"

    customer = TenantKey(Customer, models.DO_NOTHING)
    requester_id = models.UUIDField()
    requester_label = models.CharField(max_length=200)
    connector = models.CharField(max_length=64)
    tool = models.CharField(max_length=128)
    arguments = models.JSONField()
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Asking again for the same call finds the request that waits, instead of piling up more.
            models.UniqueConstraint(
                fields=["tenant_id", "requester_id", "customer", "digest"],
                condition=models.Q(state="pending"),
                name="approvals_request_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} ({self.state})"
