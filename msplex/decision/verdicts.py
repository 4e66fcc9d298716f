"""What a gate says, and what all of them together decided."""

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from approvals.policy import Ruling
from connectors.contract import Connector, Tool
from connectors.models import ConnectorInstance
from tenants.models import Customer, Entitlement

CONFIRMED = "confirmed by the caller"  # what gate 10 says of such a call, and the broker looks for


class Gate(StrEnum):
    """The thirteen gates in their order."""

    AUTHENTICATE_PRINCIPAL = "authenticate_principal"
    RESOLVE_TENANT = "resolve_tenant"
    RESOLVE_CUSTOMER = "resolve_customer"
    LOAD_ENTITLEMENTS = "load_entitlements"
    VERIFY_SUBSCRIPTION = "verify_subscription"
    VERIFY_CONNECTOR_ENTITLEMENT = "verify_connector_entitlement"
    VERIFY_INSTANCE_READINESS = "verify_instance_readiness"
    EVALUATE_POLICY = "evaluate_policy"
    CHECK_QUOTA = "check_quota"
    CHECK_APPROVAL = "check_approval"
    DISPATCH = "dispatch"
    EXECUTE = "execute"
    RETURN_RESULT = "return_result"


class Code(StrEnum):
    """Stable names of refusals, for machines."""

    ALREADY_DONE = "already_done"
    ALREADY_RUNNING = "already_running"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_REQUIRED = "approval_required"
    APPROVAL_VOID = "approval_void"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    BUSY = "busy"
    CANCELLED = "cancelled"
    CONFIRMATION_REQUIRED = "confirmation_required"
    CONNECTOR_NOT_ENTITLED = "connector_not_entitled"
    CUSTOMER_LIMIT_REACHED = "customer_limit_reached"
    CUSTOMER_NOT_IN_SCOPE = "customer_not_in_scope"
    CUSTOMER_REQUIRED = "customer_required"
    ENTITLEMENTS_UNAVAILABLE = "entitlements_unavailable"
    INSTANCE_NOT_READY = "instance_not_ready"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INVALID_ARGUMENTS = "invalid_arguments"
    KEY_REUSED = "key_reused"
    NOT_RECORDED = "not_recorded"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OWN_CREDENTIAL_NOT_READY = "own_credential_not_ready"
    OWN_CREDENTIAL_REQUIRED = "own_credential_required"
    POLICY_DENIED = "policy_denied"
    PRINCIPAL_REFUSED = "principal_refused"
    QUOTA_EXHAUSTED = "quota_exhausted"
    RATE_LIMITED = "rate_limited"
    RISKY_TOOLS_PAUSED = "risky_tools_paused"
    SUBSCRIPTION_INACTIVE = "subscription_inactive"
    TENANT_SUSPENDED = "tenant_suspended"
    TOOL_SUSPENDED = "tool_suspended"
    UNAVAILABLE = "unavailable"
    UNKNOWN_TOOL = "unknown_tool"


# These concern everything behind the door, so the door answers 403 instead of a tool result.
WHOLE_DOOR = frozenset({
    Code.ENTITLEMENTS_UNAVAILABLE,
    Code.PRINCIPAL_REFUSED,
    Code.SUBSCRIPTION_INACTIVE,
    Code.TENANT_SUSPENDED,
    Code.UNAVAILABLE,
})  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """`message` is for the person or model that called: what is wrong, and the smallest change that would help."""

    code: str
    message: str
    retryable: bool = False
    retry_after: int | None = None  # seconds
    request_id: UUID | None = None  # of an approval


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """`us`: microseconds that the gate took to say so, where that was measured; no part of what it says."""

    gate: Gate
    ok: bool
    code: str = ""
    detail: str = ""
    us: int = dataclasses.field(default=0, compare=False)

    def as_json(self) -> dict[str, Any]:
        said = {"gate": self.gate.value, "ok": self.ok, "code": self.code, "detail": self.detail}
        return said | {"us": self.us} if self.us else said


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `arguments` None asks whether the tool would be listed. `customer` is an id or a key."""

    tool: str
    arguments: Mapping[str, Any] | None = None
    customer: str | None = None
    confirmed: bool = False  # by the person whose agent it is


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What the quota gate weighs: calls reserved this month, and seconds to wait where a rate is exceeded.

    `of_customer`: of the customer, of all connectors; where nobody has looked, the reservation tells.
    `waits`: for the plan's rate, and for the customer's own if it has one; empty: within both.
    """

    used: int = 0
    of_customer: int = 0
    waits: tuple[int, ...] = ()

    @property
    def retry_after(self) -> int:
        """Until both let a call through; 0: now."""
        return max(self.waits, default=0)

    @property
    def too_fast_for_customer(self) -> bool:
        """Its own limit is what has to be waited for the longest."""
        return len(self.waits) > 1 and self.waits[1] >= self.waits[0]


@dataclasses.dataclass(slots=True)
class Resolved:
    """What the gates found on the way."""

    customer: Customer | None = None
    instance: ConnectorInstance | None = None
    connector: Connector | None = None
    tool: Tool | None = None
    entitlement: Entitlement | None = None
    ruling: Ruling | None = None  # of the tenant's policy, where it asks for approval


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    verdicts: tuple[Verdict, ...]
    resolved: Resolved
    refusal: Refusal | None = None
    hidden: bool = False  # the caller may not learn that this tool exists

    @property
    def allowed(self) -> bool:
        return self.refusal is None

    @property
    def gate(self) -> str:
        """The gate that refused, or nothing."""
        return self.verdicts[-1].gate.value if self.refusal else ""

    def refused_at(self, gate: Gate, refusal: Refusal) -> "Decision":
        """The same decision, overtaken at a later gate (or at this one, by somebody faster)."""
        kept = tuple(verdict for verdict in self.verdicts if verdict.gate is not gate)
        verdict = Verdict(gate, ok=False, code=refusal.code, detail=refusal.message)
        return dataclasses.replace(self, verdicts=(*kept, verdict), refusal=refusal)

    def approved(self, detail: str) -> "Decision":
        """The same decision, where people have said what its last gate asked for."""
        verdicts = (*self.verdicts[:-1], Verdict(Gate.CHECK_APPROVAL, ok=True, detail=detail))
        return dataclasses.replace(self, verdicts=verdicts, refusal=None)

    def passed(self, gate: Gate, detail: str = "") -> "Decision":
        return dataclasses.replace(self, verdicts=(*self.verdicts, Verdict(gate, ok=True, detail=detail)))

    def as_json(self) -> list[dict[str, Any]]:
        return [verdict.as_json() for verdict in self.verdicts]
