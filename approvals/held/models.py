"""Grants that are held in advance: who holds them, what they are, and what became of each use."""

from django.db import models

from connectors.models import ConnectorInstance
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Asset, Customer


class HostAgent(TenantModel):
    """A program at one asset of a customer that holds grants, known by the Ed25519 key it has enrolled with.

    `code_digest`: of the code that enrols it, once. `counter`: of its last request; only a higher one is taken.
    """

    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    asset = TenantKey(Asset, models.DO_NOTHING, related_name="+")
    client_id = models.CharField(max_length=64)
    code_digest = models.CharField(max_length=64, blank=True)
    code_expires_at = models.DateTimeField()
    key = models.BinaryField(max_length=32, default=bytes, editable=False)  # raw, public
    kid = models.CharField(max_length=43, blank=True, help_text="Thumbprint of its key (RFC 7638).")
    counter = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    enrolled_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "client_id"], name="approvals_hostagent_client"),
            models.UniqueConstraint(
                fields=["tenant_id", "asset"],
                condition=models.Q(revoked_at=None),
                name="approvals_hostagent_one_for_asset",
            ),
        ]

    def __str__(self) -> str:
        return f"host agent {self.client_id}"

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        return "active" if self.enrolled_at else "waiting"


class HeldGrant(TenantModel):
    """What the broker has signed for one host agent (`token`). Only the broker's role may add one.

    `told_at`: when its agent said that it knows of the revocation. `refused_because`: why its agent will not act on it.
    """

    class State(models.TextChoices):
        HELD = "held", "Held"
        USED = "used", "Used up"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Expired"

    request = TenantKey("approvals.ApprovalRequest", models.DO_NOTHING, related_name="held_grants")
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    agent = TenantKey(HostAgent, models.DO_NOTHING, related_name="grants")
    asset = TenantKey(Asset, models.DO_NOTHING, related_name="+")
    instance = TenantKey(ConnectorInstance, models.DO_NOTHING, related_name="+")
    connector = models.CharField(max_length=64)
    tool = models.CharField(max_length=128)
    nonce = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    token = models.TextField()
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    heartbeat_lost_minutes = models.PositiveIntegerField(null=True)
    critical_alert = models.BooleanField(default=False)
    uses = models.PositiveSmallIntegerField()
    issued_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.HELD)
    used = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    refused_because = models.CharField(max_length=300, blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    revoked_because = models.CharField(max_length=500, blank=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "request"], name="approvals_heldgrant_once"),
            models.UniqueConstraint(fields=["tenant_id", "nonce"], name="approvals_heldgrant_nonce"),
            models.CheckConstraint(
                condition=models.Q(heartbeat_lost_minutes__isnull=False) | models.Q(critical_alert=True),
                name="approvals_heldgrant_condition",
            ),
            models.CheckConstraint(
                condition=models.Q(not_before__lt=models.F("not_after")), name="approvals_heldgrant_window"
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "agent", "state"], name="approvals_heldgrant_agent")]

    def __str__(self) -> str:
        return f"{self.tool} ({self.state})"


class GrantUse(TenantModel):
    """One firing, as its agent has reported and signed it: kept once, and settled by the broker into a call.

    `grant_ref`: the grant that the report names; `grant` is empty if there is none of that agent.
    """

    class State(models.TextChoices):
        RECEIVED = "received", "Received"
        SETTLED = "settled", "Recorded"

    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    agent = TenantKey(HostAgent, models.DO_NOTHING, related_name="uses")
    grant = TenantKey(HeldGrant, models.DO_NOTHING, null=True, related_name="fired")
    grant_ref = models.UUIDField()
    number = models.PositiveIntegerField()
    step = models.PositiveSmallIntegerField(default=1)  # of the grant's steps, in their order
    evidence = models.TextField()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    outcome = models.CharField(max_length=16, blank=True)
    finding = models.CharField(max_length=32, blank=True)
    call_id = models.UUIDField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # The nonce of each use is consumed here: once for each step of the grant's numbered uses.
            models.UniqueConstraint(
                fields=["tenant_id", "agent", "grant_ref", "number", "step"], name="approvals_grantuse_once"
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "state", "id"], name="approvals_grantuse_state")]

    def __str__(self) -> str:
        return f"use {self.number} of {self.grant_ref}"
