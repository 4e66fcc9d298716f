"""The broker decides for itself: before it opens anything it asks the same gates again, of what is true now.

The row of a call says that the gateway let it through. Whoever can write rows could say so too, and a call may have
waited; so tenant, customer, entitlement, readiness, mapping, rules and approval are read anew. What only the caller's
token can tell (who it is, which roles it has and what they allow) was decided at the gateway.
"""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from approvals.quorum import Voter
from connectors.contract import Tool
from connectors.models import ToolCall
from connectors.selectors import CallToRun
from msplex.decision import gates
from msplex.decision.gates import Attempt, Recorded
from msplex.decision.snapshot import Snapshot, is_kept, snapshot_at
from msplex.decision.verdicts import CONFIRMED, Code, Gate, Refusal, Request, Resolved, Usage
from tenants.isolation.context import acting_tenant, current
from tenants.isolation.statements import Signed, one
from tenants.models import Customer, Tenant

MESSAGE_SUSPENDED = "This workspace is suspended, so nothing was sent."
MESSAGE_CUSTOMER = "The customer is not active any more, so nothing was sent."
MESSAGE_UNAPPROVED = "Nobody has approved this call, so nothing was sent."
MESSAGE_TIGHTENED = "The policy asks for more people by now than have approved this call, so nothing was sent."
_TENANCY = "SELECT (SELECT number FROM tenants_revision WHERE tenant_id = %s), border.tenant_active()"
_RULES: tuple[Callable[[Attempt], Refusal | None], ...] = (
    gates.load_entitlements,
    gates.verify_subscription,
    gates.verify_connector_entitlement,
    gates.verify_instance_readiness,
    gates.evaluate_rules,
    gates.check_approval,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Tenancy:
    """Of the acting tenant, read with the claim."""

    revision: int
    active: bool


def ask(db: Signed) -> Any:
    """Queued; read with `tenancy_of`."""
    return db.ask(_TENANCY, acting_tenant())


def tenancy_of(asked: Any) -> Tenancy:
    number, active = one(asked) or (0, False)
    return Tenancy(number or 0, active)


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """The tool that the call's name stands for now, and why the call may not run; without a reason, it may."""

    tool: Tool | None
    refusal: Refusal | None


def is_at_hand(tenancy: Tenancy) -> bool:
    """Whether `look` has nothing to load."""
    context = current()
    return context is not None and is_kept(context, tenancy.revision)


def look(job: CallToRun, tenancy: Tenancy, voters: tuple[Voter, ...] = ()) -> Looked:
    """Loads the snapshot if the tenant has changed since the last."""
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    snapshot = snapshot_at(context, tenancy.revision)
    attempt = _attempt(job.call, job, snapshot, voters)
    tool = attempt.offered.tool if attempt.offered else None
    if not tenancy.active or snapshot.tenant.status != Tenant.Status.ACTIVE:
        return Looked(tool, Refusal(Code.TENANT_SUSPENDED, MESSAGE_SUSPENDED))
    return Looked(tool, _decide(attempt))


def _attempt(call: ToolCall, job: CallToRun, snapshot: Snapshot, voters: tuple[Voter, ...]) -> Attempt:
    customer = snapshot.customers.get(call.customer_id) if call.customer_id else None
    request = Request(f"{job.instance.slug}_{call.tool}", call.arguments, confirmed=_confirmed(call))
    caller = Recorded(frozenset(call.roles), call.principal_kind)
    return Attempt(snapshot, None, request, datetime.now(UTC), Usage(), Resolved(customer=customer), caller, voters)


def _confirmed(call: ToolCall) -> bool:
    """Only its client has heard the caller say so: the gateway's word, as for the caller's roles."""
    return any(each["gate"] == Gate.CHECK_APPROVAL and each.get("detail") == CONFIRMED for each in call.verdicts)


def _decide(attempt: Attempt) -> Refusal | None:
    customer = attempt.resolved.customer
    if customer is None or customer.status != Customer.Status.ACTIVE:
        return Refusal(Code.CUSTOMER_NOT_IN_SCOPE, MESSAGE_CUSTOMER)
    for rule in _RULES:
        if refusal := rule(attempt):
            return _as_said_here(refusal, attempt)
    return None


def _as_said_here(refusal: Refusal, attempt: Attempt) -> Refusal:
    """The gateway would have left a request behind; the broker only says that there is no approval, or not enough.

    What people approved and a rule refuses by now is void: they were not asked about that rule.
    """
    if attempt.voters and refusal.code == Code.POLICY_DENIED:
        return Refusal(Code.APPROVAL_VOID, refusal.message)
    if refusal.code != Code.APPROVAL_REQUIRED:
        return refusal
    if attempt.voters:
        return Refusal(Code.APPROVAL_VOID, MESSAGE_TIGHTENED)
    return dataclasses.replace(refusal, message=MESSAGE_UNAPPROVED, retryable=False)
