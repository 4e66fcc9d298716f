"""Every call that was made or refused, and what waits because of one."""

from django.db import models
from django.db.models import Q

from audit.actors import Actor, ActorKind, CallRef
from connectors.models.connections import ConnectorInstance
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class ToolCall(TenantModel):
    """A call, refused or run. Only the id of a committed row goes to the broker."""

    class State(models.TextChoices):
        REFUSED = "refused", "Refused"
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Outcome unknown"

    request_id = models.CharField(max_length=64, blank=True)
    principal_id = models.UUIDField()
    principal_kind = models.CharField(max_length=16)
    principal_label = models.CharField(max_length=200)
    roles = models.JSONField(default=list)  # the caller's for that customer, when the gateway decided
    agent_session_id = models.UUIDField(null=True)  # the agent through which the principal, a person, has called
    approval_id = models.UUIDField(null=True)  # the approved request that it takes (approvals)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, null=True, related_name="+")
    connector = models.CharField(max_length=64, blank=True)
    tool = models.CharField(max_length=128)
    arguments = models.JSONField(default=dict)
    arguments_digest = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16, choices=State)
    gate = models.CharField(max_length=32, blank=True)
    code = models.CharField(max_length=64, blank=True)
    verdicts = models.JSONField(default=list)
    reply_to = models.CharField(max_length=128, blank=True)
    reply_key = models.BinaryField(default=bytes, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    rows_returned = models.PositiveIntegerField(null=True)
    rows_dropped = models.PositiveIntegerField(null=True)
    rows_foreign = models.PositiveIntegerField(default=0)
    vendor_requests = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "state", "id"], name="connectors_call_state"),
            models.Index(fields=["tenant_id", "principal_id", "id"], name="connectors_call_principal"),
            models.Index(
                fields=["tenant_id", "instance", "tool", "finished_at"],
                name="connectors_call_foreign",
                condition=Q(rows_foreign__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.state}"

    def actor(self, address: str = "") -> Actor:
        agent = self.agent_session_id
        return Actor(
            ActorKind(self.principal_kind),
            agent or self.principal_id,
            self.principal_label,
            address,
            self.request_id,
            on_behalf_of=Actor(ActorKind.USER, self.principal_id, "") if agent else None,
        )

    @property
    def ref(self) -> CallRef:
        return CallRef(self.id, self.instance_id, self.tool)


class IdempotencyKey(TenantModel):
    """What a caller has named a change by, so that the change is made once however often it is asked for.

    `digest`: of the name (SHA-256, hex), which is not kept. `result`: what the call has answered, sealed with the name.
    """

    principal_id = models.UUIDField()
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    digest = models.CharField(max_length=64)
    arguments_digest = models.CharField(max_length=64)
    call_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)
    result = models.BinaryField(null=True, editable=False)
    kept_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "principal_id", "customer", "digest"], name="connectors_idempotency_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.digest} {self.call_id}"


class Pause(TenantModel):
    """Why tools of this connection do not run until a person has looked.

    `outcome_unknown`: nobody knows what became of a call, so what changes something waits. One for each such call, so
    that whoever resumes lifts those they saw, and no other. `foreign_rows`: the vendor answered this one tool with rows
    of others again and again, so the tool itself waits, whatever it does. One at a time for each tool.
    """

    class Why(models.TextChoices):
        OUTCOME_UNKNOWN = "outcome_unknown", "Outcome of a call unknown"
        FOREIGN_ROWS = "foreign_rows", "Rows of other customers"

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="pauses")
    why = models.CharField(max_length=16, choices=Why, default=Why.OUTCOME_UNKNOWN)
    call_id = models.UUIDField()
    tool = models.CharField(max_length=128)
    created_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=1000, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant_id", "instance", "id"], name="connectors_pause_open", condition=Q(lifted_at=None)
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "tool"],
                name="connectors_pause_tool",
                condition=Q(lifted_at=None, why="foreign_rows"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool} of {self.instance_id}"
