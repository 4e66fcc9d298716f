"""Gates 1 to 10. Each is one small rule over the snapshot: nothing when it passes, a refusal when it does not.

Gates 11 to 13 are deeds (msplex.gateway.dispatch, msplex.execution) and say their verdicts there.
"""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from jsonschema import Draft202012Validator

from approvals.policy import Ruling, Subject, ruling
from approvals.quorum import Voter, missing
from audit.actors import ActorKind
from connectors.contract import Risk
from connectors.lifecycle import Lifecycle, Listed
from connectors.readiness import needs_own
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from msplex.decision.snapshot import OfferedTool, Snapshot
from msplex.decision.verdicts import Code, Gate, Refusal, Request, Resolved, Usage
from tenants.models import Customer, Entitlement, Subscription, Tenant

PERMISSIONS = {
    Risk.READ: Permission.GATEWAY_TOOL_READ,
    Risk.WRITE: Permission.GATEWAY_TOOL_WRITE,
    Risk.DESTRUCTIVE: Permission.GATEWAY_TOOL_DESTROY,
}
NAMED_AT_MOST = 20  # customers that a refusal lists
LIVE = {Subscription.Status.ACTIVE, Subscription.Status.TRIALING, Subscription.Status.PAST_DUE}


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """What the row of a call says of its caller, where there is no credential to ask."""

    roles: frozenset[str] = frozenset()
    kind: str = ""


_NOBODY = Recorded()


def roles_for(principal: ActingPrincipal, customer_id: UUID) -> frozenset[str]:
    return frozenset(g.role.value for g in principal.grants if g.customer_id in {None, customer_id})


@dataclasses.dataclass(slots=True)
class Attempt:
    """One request on its way through the gates."""

    snapshot: Snapshot
    principal: ActingPrincipal | None
    request: Request
    now: datetime
    usage: Usage
    resolved: Resolved = dataclasses.field(default_factory=Resolved)
    recorded: Recorded = _NOBODY
    voters: tuple[Voter, ...] = ()  # at the broker: who has approved exactly this call

    @property
    def offered(self) -> OfferedTool | None:
        return self.snapshot.tools.get(self.request.tool)

    @property
    def ruling(self) -> Ruling:
        """What the tenant's policy says, once the customer and the tool are known."""
        offered, customer = self.offered, self.resolved.customer
        if offered is None or customer is None:
            raise LookupError("gates out of order")
        tool = offered.tool
        subject = Subject(
            offered.name, offered.connector.key, tool.risk.value, tool.tier.value, customer.id,
            self.roles, self.caller_kind, self.now, self.request.arguments, offered.taken,
        )  # fmt: skip
        return ruling(self.snapshot.rules, subject)

    @property
    def roles(self) -> frozenset[str]:
        """Of the caller for this customer; at the broker, those it had when the gateway decided."""
        if self.principal is None or self.resolved.customer is None:
            return self.recorded.roles
        return roles_for(self.principal, self.resolved.customer.id)

    @property
    def caller_kind(self) -> str:
        if self.principal is None:
            return self.recorded.kind
        return ActorKind.AGENT.value if self.principal.agent_session_id else self.principal.kind.value

    @property
    def caller(self) -> ActingPrincipal:
        """Behind gate 1 there is one."""
        if self.principal is None:
            raise LookupError("no principal")
        return self.principal


def authenticate_principal(attempt: Attempt) -> Refusal | None:
    if attempt.principal is None:
        return Refusal(Code.PRINCIPAL_REFUSED, "The token is not valid, or its holder was disabled. Get a new one.")
    return None


def resolve_tenant(attempt: Attempt) -> Refusal | None:
    tenant = attempt.snapshot.tenant
    if (
        not attempt.caller.tenant_active
        or tenant.status != Tenant.Status.ACTIVE
        or tenant.id != attempt.caller.tenant_id
    ):
        return Refusal(Code.TENANT_SUSPENDED, "This workspace is suspended. Ask the deployment's provider.")
    return None


def resolve_customer(attempt: Attempt) -> Refusal | None:
    """Exactly one: the only one in scope, or a named one among them. Unknown and out of scope are the same."""
    named = attempt.request.customer
    if named is not None:
        attempt.resolved.customer = _usable(attempt, attempt.snapshot.customer_named(named))
        if attempt.resolved.customer is None:
            return Refusal(Code.CUSTOMER_NOT_IN_SCOPE, f"No customer {named[:80]!r} is in your scope.{_names(attempt)}")
        return None
    candidates = [c for c in attempt.snapshot.customers.values() if _usable(attempt, c)]
    if len(candidates) != 1:
        return Refusal(Code.CUSTOMER_REQUIRED, f"Say for which customer: pass its key as `customer`.{_names(attempt)}")
    attempt.resolved.customer = candidates[0]
    return None


def _usable(attempt: Attempt, customer: Customer | None) -> Customer | None:
    if customer is None or customer.status != Customer.Status.ACTIVE:
        return None
    return customer if attempt.caller.reaches(customer.id) else None


def _names(attempt: Attempt) -> str:
    keys = [c.key for c in attempt.snapshot.customers.values() if _usable(attempt, c)]
    if not keys:
        return " You have no customer in scope; ask a tenant admin for a role."
    more = f" and {len(keys) - NAMED_AT_MOST} more" if len(keys) > NAMED_AT_MOST else ""
    return f" In scope: {', '.join(keys[:NAMED_AT_MOST])}{more}."


def load_entitlements(attempt: Attempt) -> Refusal | None:
    if attempt.snapshot.subscription is None:
        return Refusal(
            Code.ENTITLEMENTS_UNAVAILABLE,
            "This workspace has no subscription record, so nothing is entitled. Ask the deployment's provider.",
        )
    return None


def verify_subscription(attempt: Attempt) -> Refusal | None:
    subscription = attempt.snapshot.subscription
    if subscription is None or subscription.status not in LIVE:
        return Refusal(Code.SUBSCRIPTION_INACTIVE, "The subscription is not active. A tenant owner can renew it.")
    return None


def verify_connector_entitlement(attempt: Attempt) -> Refusal | None:
    offered = attempt.offered
    if offered is None:
        return Refusal(Code.UNKNOWN_TOOL, f"Unknown tool: {attempt.request.tool[:128]}")
    attempt.resolved.instance, attempt.resolved.tool = offered.instance, offered.tool
    attempt.resolved.connector = offered.connector
    entitlement = attempt.snapshot.entitlements.get(offered.connector.key)
    if entitlement is None or (entitlement.valid_until and entitlement.valid_until <= attempt.now):
        return Refusal(
            Code.CONNECTOR_NOT_ENTITLED,
            f"The plan does not include {offered.connector.name}. A tenant owner can change the plan.",
        )
    attempt.resolved.entitlement = entitlement
    return None


def verify_instance_readiness(attempt: Attempt) -> Refusal | None:
    offered, customer = attempt.offered, attempt.resolved.customer
    if offered is None or customer is None:
        raise LookupError("gates out of order")
    found = attempt.snapshot.lifecycle_of(offered.instance, attempt.now)
    if found.listed is Listed.NONE:
        message = (  # what is wrong with it is for those who set it up: explain() tells them
            f"{offered.instance.name} is not ready. Try again later; someone who sets up connections sees in the"
            " portal, under Connectors, what it lacks."
        )
        return Refusal(Code.INSTANCE_NOT_READY, message, retryable=True)
    if (offered.instance.id, customer.id) not in attempt.snapshot.mapped:
        message = f"{offered.instance.name} has no client mapped to customer {customer.key}. Map it, under Customers."
        return Refusal(Code.INSTANCE_NOT_READY, message, retryable=True)
    return _own_credential(attempt, offered, customer) or _paused(offered, attempt.snapshot, found)


def _own_credential(attempt: Attempt, offered: OfferedTool, customer: Customer) -> Refusal | None:
    """A customer's own credential that does not work is not replaced by another: nobody has said that it may be."""
    kept = attempt.snapshot.own.get((offered.instance.id, customer.id))
    if kept is None and needs_own(offered.connector, offered.instance):
        return Refusal(
            Code.OWN_CREDENTIAL_REQUIRED,
            f"{offered.instance.name} reaches only customers with a credential of their own, and {customer.key} has"
            " none. Someone who sets up connections enters it in the portal, under the connection's clients.",
            retryable=True,
        )
    if kept is not None and not kept.usable(attempt.now):
        return Refusal(
            Code.OWN_CREDENTIAL_NOT_READY,
            f"The credential that {customer.key} has of its own on {offered.instance.name} is not ready, and no other"
            " is used. Try again later; the connection's clients in the portal say what it lacks.",
            retryable=True,
        )
    return None


def _paused(offered: OfferedTool, snapshot: Snapshot, found: Lifecycle) -> Refusal | None:
    """What waits for a person: one tool, or all that change something."""
    if (offered.instance.id, offered.tool.name) in snapshot.suspended:
        return Refusal(
            Code.TOOL_SUSPENDED,
            f"{offered.name} is suspended: {offered.connector.name} mixed customers in its answers. Someone who sets up"
            " connections looks at the vendor and resumes it in the portal, under Connectors.",
            retryable=True,
        )
    if not found.listed.takes(offered.tool.risk):
        return Refusal(
            Code.RISKY_TOOLS_PAUSED,
            f"{offered.instance.name} changes nothing for now: the outcome of a call is unknown. Someone who sets up"
            " connections looks at the vendor and resumes it in the portal, under Connectors.",
            retryable=True,
        )
    return None


def evaluate_policy(attempt: Attempt) -> Refusal | None:
    offered, customer = attempt.offered, attempt.resolved.customer
    if offered is None or customer is None:
        raise LookupError("gates out of order")
    permission = PERMISSIONS[offered.tool.risk]
    if not attempt.caller.allows(permission, customer.id):
        if attempt.caller.with_every_scope().allows(permission, customer.id):
            return Refusal(Code.INSUFFICIENT_SCOPE, f"The access token lacks the scope {permission.value}.")
        return Refusal(
            Code.POLICY_DENIED,
            f"None of your roles for {customer.key} has {permission.value}, which {offered.name} needs.",
        )
    arguments = attempt.request.arguments
    if arguments is not None and (problems := list(argument_problems(offered, arguments))):
        return Refusal(Code.INVALID_ARGUMENTS, "; ".join(problems))
    return evaluate_rules(attempt)


def evaluate_rules(attempt: Attempt) -> Refusal | None:
    """The tenant's own rules, after the roles: they take away, and never give."""
    said = attempt.ruling
    if not said.refuses or said.rule is None:
        return None
    return Refusal(Code.POLICY_DENIED, f"A rule of this workspace refuses {attempt.request.tool}: {said.rule.name}.")


def argument_problems(offered: OfferedTool, arguments: object) -> Iterator[str]:
    """One sentence for each wrong argument (JSON Schema 2020-12), naming it."""
    for error in Draft202012Validator(offered.tool.input_schema).iter_errors(arguments):
        yield f"{error.json_path}: {error.message[:200]}"


def check_quota(attempt: Attempt) -> Refusal | None:
    entitlement = attempt.resolved.entitlement
    if entitlement is None:
        raise LookupError("gates out of order")
    if attempt.usage.retry_after:
        return _too_fast(attempt, entitlement)
    if not entitlement.overage_allowed and attempt.usage.used >= entitlement.included_calls:
        return quota_exhausted(entitlement.included_calls)
    customer = attempt.resolved.customer
    if customer and customer.monthly_calls is not None and attempt.usage.of_customer >= customer.monthly_calls:
        return customer_limit_reached(customer)
    return None


def _too_fast(attempt: Attempt, entitlement: Entitlement) -> Refusal:
    usage, customer = attempt.usage, attempt.resolved.customer
    said = f"More than {entitlement.calls_per_minute} calls a minute"
    if customer and usage.too_fast_for_customer:
        said = f"More than {customer.calls_per_minute} calls a minute for {customer.key}, which is its own limit"
    message = f"{said}. Try again in {usage.retry_after} s."
    return Refusal(Code.RATE_LIMITED, message, retryable=True, retry_after=usage.retry_after)


def quota_exhausted(included: int) -> Refusal:
    return Refusal(
        Code.QUOTA_EXHAUSTED,
        f"The {included} calls of this month are used up. A tenant owner can allow overage or change the plan.",
    )


def customer_limit_reached(customer: Customer) -> Refusal:
    return Refusal(
        Code.CUSTOMER_LIMIT_REACHED,
        f"The limit of {customer.key}, calls of a month: {customer.monthly_calls}, is used up. Someone who manages"
        " prices can raise it in the portal, under Limits.",
    )


def check_approval(attempt: Attempt) -> Refusal | None:
    """The most specific thing last: who calls, for whom and with what is known, and only people are missing."""
    if attempt.request.arguments is None or not (needed := (said := attempt.ruling).approvers):
        return None
    if said.confirms and attempt.request.confirmed:
        return None
    if attempt.voters and not missing(needed, said.factors, attempt.voters):
        return None
    attempt.resolved.ruling = said
    people = "a person" if needed == 1 else f"{needed} people"
    return Refusal(Code.APPROVAL_REQUIRED, f"{attempt.request.tool} needs the approval of {people}.", retryable=True)


GATES: tuple[tuple[Gate, Callable[[Attempt], Refusal | None]], ...] = (
    (Gate.AUTHENTICATE_PRINCIPAL, authenticate_principal),
    (Gate.RESOLVE_TENANT, resolve_tenant),
    (Gate.RESOLVE_CUSTOMER, resolve_customer),
    (Gate.LOAD_ENTITLEMENTS, load_entitlements),
    (Gate.VERIFY_SUBSCRIPTION, verify_subscription),
    (Gate.VERIFY_CONNECTOR_ENTITLEMENT, verify_connector_entitlement),
    (Gate.VERIFY_INSTANCE_READINESS, verify_instance_readiness),
    (Gate.EVALUATE_POLICY, evaluate_policy),
    (Gate.CHECK_QUOTA, check_quota),
    (Gate.CHECK_APPROVAL, check_approval),
)
LISTING = 8  # a tool is listed when it passes this many gates, for some customer in scope
