"""What waits for a person."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class ToolRule(TenantModel):
    """One line of the tenant's tool policy. Of those that fit a call, the first decides (approvals.policy).

    An empty selector fits everything. `conditions` are about the arguments, and all have to hold.
    """

    class Effect(models.TextChoices):
        REFUSE = "refuse", "Refuse"
        APPROVAL = "approval", "Ask for approval"
        ALLOW = "allow", "Let run"

    position = models.PositiveIntegerField(help_text="1 is asked first.")
    name = models.CharField(max_length=100)
    effect = models.CharField(max_length=16, choices=Effect)
    approvers = models.PositiveSmallIntegerField(default=0, help_text="People who have to agree.")
    enabled = models.BooleanField(default=True)
    risk = models.CharField(max_length=16, blank=True)
    tier = models.CharField(max_length=16, blank=True)
    connector = models.CharField(max_length=64, blank=True)
    tool = models.CharField(max_length=192, blank=True, help_text="As agents call it, such as halopsa_list_tickets.")
    role = models.CharField(max_length=32, blank=True)
    caller = models.CharField(max_length=16, blank=True)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    conditions = models.JSONField(default=list)
    days = models.JSONField(default=list, help_text="0 is Monday. Empty: every day.")
    starts = models.TimeField(null=True, blank=True)
    ends = models.TimeField(null=True, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "position"], name="approvals_rule_position", deferrable=models.Deferrable.DEFERRED
            ),
            models.CheckConstraint(
                name="approvals_rule_approvers",
                condition=models.Q(effect="approval", approvers__gt=0)
                | (~models.Q(effect="approval") & models.Q(approvers=0)),
            ),
            models.CheckConstraint(
                name="approvals_rule_window",
                condition=models.Q(starts=None, ends=None) | models.Q(starts__isnull=False, ends__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


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
