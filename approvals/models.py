"""What waits for a person."""

from django.db import models

from approvals.effects.models import Preview
from approvals.held.models import GrantUse, HeldGrant, HostAgent
from approvals.notifications.models import (
    Delivery,
    Notification,
    NotificationChannels,
    NotificationCursor,
    NotificationEvent,
    NotificationPreferences,
    NtfyToken,
    Recipient,
)  # fmt: skip
from connectors.models import ConnectorInstance
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer

__all__ = [
    "OPEN_STATES", "ApprovalRequest", "Comment", "Delivery", "ExecutionGrant", "GrantUse", "HeldGrant", "HostAgent",
    "Notification", "NotificationChannels", "NotificationCursor", "NotificationEvent", "NotificationPreferences",
    "NtfyToken", "Preview", "Recipient", "ToolRule", "Vote",
]  # fmt: skip


class ToolRule(TenantModel):
    """One line of the tenant's tool policy. Of those that fit a call, the first decides (approvals.policy).

    An empty selector fits everything. `conditions` are about the arguments, and all have to hold.
    """

    class Effect(models.TextChoices):
        REFUSE = "refuse", "Refuse"
        APPROVAL = "approval", "Ask for approval"
        CONFIRM = "confirm", "Ask the caller"
        ALLOW = "allow", "Let run"

    position = models.PositiveIntegerField(help_text="1 is asked first.")
    name = models.CharField(max_length=100)
    effect = models.CharField(max_length=16, choices=Effect)
    approvers = models.PositiveSmallIntegerField(default=0, help_text="People who have to agree.")
    factors = models.JSONField(default=list, help_text="Roles, each of which another one of them must have.")
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
    """A call that waits for people, bound to exactly what it would do (`digest`, approvals.binding).

    What was asked is never changed: the roles of the database may write only the columns from `state` on.
    `requester_id`: the account, of an agent the person's. `answerable_id`: the person behind it, who does not vote.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for approval"
        APPROVED = "approved", "Approved"
        EXECUTING = "executing", "Running"
        EXECUTED = "executed", "Executed"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        EXPIRED = "expired", "Expired"
        FAILED = "failed", "Failed"
        UNKNOWN = "outcome_unknown", "Outcome unknown"

    customer = TenantKey(Customer, models.DO_NOTHING)
    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="+")
    requester_id = models.UUIDField()
    requester_kind = models.CharField(max_length=16)
    requester_label = models.CharField(max_length=200)
    agent_session_id = models.UUIDField(null=True)
    answerable_id = models.UUIDField()
    roles = models.JSONField(default=list)  # the requester's for that customer
    connector = models.CharField(max_length=64)
    tool = models.CharField(max_length=128)
    arguments = models.JSONField()
    # Of a grant to be held in advance (approvals.held): who holds it, when and how often it may be used. Else empty.
    terms = models.JSONField(default=dict)
    # By which reads people are shown what it would change (approvals.effects). Empty: there is nothing to read.
    preview = models.JSONField(default=dict)
    # Of a request for several customers that are decided about together (approvals.batches): all of them, with what
    # would be done for each. The first one's id is that of the batch. Else empty.
    batch = models.JSONField(default=dict)
    batch_id = models.UUIDField(null=True)
    fingerprint = models.CharField(max_length=64, help_text="Of instance, tool and arguments: the same call again.")
    external_id = models.CharField(max_length=200, help_text="The customer's id at the vendor.")
    tool_digest = models.CharField(max_length=64, help_text="Of what the tool is declared as.")
    policy_rule = models.UUIDField(null=True, help_text="None: what holds where no rule fits.")
    policy_version = models.CharField(max_length=64)
    need = models.PositiveSmallIntegerField()
    factors = models.JSONField(default=list)
    nonce = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=500, blank=True)
    ticket = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()
    decide_by = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    code = models.CharField(max_length=64, blank=True)
    because = models.CharField(max_length=500, blank=True)
    call_id = models.UUIDField(null=True)  # the call that took it
    approved_at = models.DateTimeField(null=True)
    execute_by = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Asking again for the same call finds the request that is open, instead of piling up more.
            models.UniqueConstraint(
                fields=["tenant_id", "requester_id", "agent_session_id", "customer", "fingerprint"],
                condition=models.Q(state__in=["pending", "approved", "executing"]),
                nulls_distinct=False,
                name="approvals_request_open",
            ),
            models.UniqueConstraint(fields=["tenant_id", "nonce"], name="approvals_request_nonce"),
            # What a passkey has signed for a batch is good for one request of each of its customers.
            models.UniqueConstraint(
                fields=["tenant_id", "batch_id", "customer"],
                condition=models.Q(batch_id__isnull=False),
                name="approvals_request_of_batch",
            ),
            models.CheckConstraint(condition=models.Q(need__gt=0), name="approvals_request_need"),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "approved", "executing"], ended_at=None)
                | (~models.Q(state__in=["pending", "approved", "executing"]) & models.Q(ended_at__isnull=False)),
                name="approvals_request_ended",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "executing", "executed", "outcome_unknown"])
                | models.Q(approved_at__isnull=False, execute_by__isnull=False),
                name="approvals_request_approved",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["executing", "executed", "outcome_unknown"])
                | models.Q(call_id__isnull=False)
                | ~models.Q(terms={}),
                name="approvals_request_call",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "state", "id"], name="approvals_request_state"),
            models.Index(
                fields=["tenant_id", "batch_id"], name="approvals_request_batch",
                condition=models.Q(batch_id__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.tool} ({self.state})"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


OPEN_STATES = (ApprovalRequest.State.PENDING, ApprovalRequest.State.APPROVED, ApprovalRequest.State.EXECUTING)


class Vote(TenantModel):
    """What one person said to one request; never changed. A key holds it to the request's digest and requester."""

    class Decision(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"

    request = TenantKey(ApprovalRequest, models.DO_NOTHING, related_name="votes")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    requester_id = models.UUIDField()
    answerable_id = models.UUIDField()
    digest = models.CharField(max_length=64)
    approver_id = models.UUIDField()
    approver_label = models.CharField(max_length=200)
    decision = models.CharField(max_length=16, choices=Decision)
    factor = models.CharField(max_length=16, blank=True)  # totp, passkey
    factor_ref = models.CharField(max_length=64, blank=True, help_text="The same device has the same, whoever uses it.")
    proof = models.JSONField(default=dict, help_text="Of a passkey: the signature and what it is over.")
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "request", "approver_id"], name="approvals_vote_once"),
            models.UniqueConstraint(
                fields=["tenant_id", "request", "factor_ref"],
                condition=~models.Q(factor_ref=""),
                name="approvals_vote_device_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(approver_id=models.F("requester_id"))
                & ~models.Q(approver_id=models.F("answerable_id")),
                name="approvals_vote_not_own",
            ),
            models.CheckConstraint(
                condition=(models.Q(decision="approve", factor__in=["totp", "passkey"]) & ~models.Q(factor_ref=""))
                | (models.Q(decision="reject") & ~models.Q(reason="")),
                name="approvals_vote_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.approver_label}"


class Comment(TenantModel):
    """What people say about a request meanwhile; never changed."""

    request = TenantKey(ApprovalRequest, models.DO_NOTHING, related_name="comments")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    author_id = models.UUIDField()
    author_label = models.CharField(max_length=200)
    text = models.CharField(max_length=1000)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"comment of {self.author_label}"


class ExecutionGrant(TenantModel):
    """The broker's signed word that it found a request approved, and let one call run for it: once for each request.

    Only the broker's role may add one; nobody may change or remove it. `payload` is what `signature` (Ed25519) is over.
    """

    request = TenantKey(ApprovalRequest, models.DO_NOTHING, related_name="grants")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    call_id = models.UUIDField()
    nonce = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    payload = models.TextField()
    signature = models.BinaryField(max_length=64)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "request"], name="approvals_grant_once"),
            models.UniqueConstraint(fields=["tenant_id", "nonce"], name="approvals_grant_nonce"),
            models.UniqueConstraint(fields=["tenant_id", "call_id"], name="approvals_grant_call"),
        ]

    def __str__(self) -> str:
        return f"grant for call {self.call_id}"
