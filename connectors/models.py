"""A tenant's connections to vendors, whom they serve, and every call that was made or refused."""

from django.db import models
from django.db.models import Q

from audit.actors import Actor, ActorKind, CallRef
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer, key_validator


class ConnectorInstance(TenantModel):
    """One configured connection. What its columns mean together, and what may be done, is in connectors.lifecycle.

    `noticed`: the trouble that the log was last told of, a lifecycle's state (connectors.noticing).
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        INACTIVE = "inactive", "Inactive"
        RETIRED = "retired", "Retired"  # for good: the database refuses any change of such a row

    class Health(models.TextChoices):
        UNKNOWN = "unknown", "Not checked"
        HEALTHY = "healthy", "Healthy"
        DEGRADED = "degraded", "Degraded"
        FAILING = "failing", "Failing"

    connector = models.CharField(max_length=64)
    slug = models.CharField(max_length=63, validators=[key_validator])
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    created_at = models.DateTimeField(auto_now_add=True)
    configured_at = models.DateTimeField(null=True)
    activated_at = models.DateTimeField(null=True)
    activated_by = models.CharField(max_length=200, blank=True)
    check_asked_at = models.DateTimeField(null=True)
    health = models.CharField(max_length=16, choices=Health, default=Health.UNKNOWN)
    health_checked_at = models.DateTimeField(null=True)
    health_ok_at = models.DateTimeField(null=True)
    health_failures = models.PositiveIntegerField(default=0)
    health_detail = models.CharField(max_length=300, blank=True)
    health_code = models.CharField(max_length=64, blank=True)
    noticed = models.CharField(max_length=32, blank=True)
    retired_at = models.DateTimeField(null=True)
    retired_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "slug"], name="connectors_instance_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def awaits_check(self) -> bool:
        """One was asked for and has not been made since. The row says so, because a message can be lost."""
        asked, checked = self.check_asked_at, self.health_checked_at
        return asked is not None and (checked is None or checked < asked)


class HealthCheck(TenantModel):
    """How one check of a connection went. `code`: what was wrong; empty when all was well."""

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="checks")
    created_at = models.DateTimeField(auto_now_add=True)
    milliseconds = models.PositiveIntegerField()
    code = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "instance", "created_at"], name="connectors_check_instance")]

    def __str__(self) -> str:
        return self.code or f"{self.milliseconds} ms"


class CustomerMapping(TenantModel):
    """Which client of the vendor's system a customer is. Without one, nothing is fetched for that customer."""

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="mappings")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    external_id = models.CharField(max_length=64)
    external_name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance", "customer"], name="connectors_mapping_customer"),
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "external_id"], name="connectors_mapping_external_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} is {self.external_id}"


class Credential(TenantModel):
    """That there is a credential, since when and by whom: all anyone but the broker can know of it.

    Its id is the `credential_ref` that stands for the secret everywhere else. `expires_on`: its last day at the vendor,
    as whoever entered it has said. `warned_days`: how near that day was when the log was last told of it.
    """

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="credentials")
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    expires_on = models.DateField(null=True)
    warned_days = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "instance", "version"], name="connectors_credential_version")
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def fingerprint(self) -> str:
        """To compare by eye. Of the ciphertext as it was sealed, so nothing of the secret can be told by it."""
        return self.digest[:16]


class SealedSecret(TenantModel):
    """Ciphertext as it was given: sealed to the intake key, not usable until the broker has adopted it, then removed.

    The portal may add a row and read none; the broker may change none.
    """

    credential = TenantKey(Credential, models.DO_NOTHING, related_name="+")
    suite = models.CharField(max_length=64)
    kek_id = models.CharField(max_length=64)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "credential"], name="connectors_sealed_credential")]

    def __str__(self) -> str:
        return self.kek_id


class AdoptedSecret(TenantModel):
    """Ciphertext as it is kept: the data key under a storage key, all of it signed by the broker.

    `rev` counts re-keyings. `unreadable`: why the broker has set the row aside; empty in good order. The portal may
    read how old and under which key it is, and nothing of the ciphertext.
    """

    credential = TenantKey(Credential, models.DO_NOTHING, related_name="+")
    suite = models.CharField(max_length=64)
    kek_id = models.CharField(max_length=64)
    payload = models.BinaryField()
    wrapped_key = models.BinaryField()
    rev = models.PositiveIntegerField()
    signature = models.BinaryField()
    intake_kek_id = models.CharField(max_length=64)
    adopted_at = models.DateTimeField()
    data_key_at = models.DateTimeField()
    rekeyed_at = models.DateTimeField(null=True)
    unreadable = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "credential"], name="connectors_adopted_credential")
        ]
        indexes = [models.Index(fields=["tenant_id", "kek_id", "id"], name="connectors_adopted_kek")]

    def __str__(self) -> str:
        return self.kek_id


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


class Signal(TenantModel):
    """What a vendor says of a customer that somebody may have to look at, as of the last pull (connectors.signals).

    `owner`: whose it was at the vendor when it was kept, so that a mapping that changes takes it away.
    `count`: of what is a number, such as devices, and no event.
    """

    class Kind(models.TextChoices):
        ALERT = "alert", "Alert"
        SLA = "sla", "Service level breached"
        DEVICES = "devices", "Devices"
        CVES = "cves", "Known vulnerabilities"

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical"
        HIGH = "high", "High"
        MEDIUM = "medium", "Medium"
        LOW = "low", "Low"
        UNKNOWN = "unknown", "Not said"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Over"

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="signals")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    external_id = models.CharField(max_length=64)
    owner = models.CharField(max_length=64)
    title = models.CharField(max_length=320)
    severity = models.CharField(max_length=16, choices=Severity, default=Severity.UNKNOWN)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    count = models.PositiveBigIntegerField(null=True)
    opened_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "instance", "customer", "kind", "external_id"], name="connectors_signal_known"
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "state", "id"], name="connectors_signal_state"),
            models.Index(fields=["tenant_id", "customer", "state", "id"], name="connectors_signal_customer"),
        ]

    def __str__(self) -> str:
        return self.title


class SignalPull(TenantModel):
    """When a connection was last asked for signals, and what came of it. `code`: why nothing did.

    `unmapped`: of clients who are nobody's among our customers; `unreadable`: of nobody at all. Neither is kept.
    """

    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="pulls")
    pulled_at = models.DateTimeField(null=True)
    ok_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=64, blank=True)
    kept = models.PositiveIntegerField(default=0)
    unmapped = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_pull_instance")]

    def __str__(self) -> str:
        return self.code or "ok"
