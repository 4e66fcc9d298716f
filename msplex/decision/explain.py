"""Why, and what would help: every gate's verdict on a call, and the smallest change that would let it pass.

Nothing is dispatched. Gate by gate: what refuses is noted with one change that mends it, the change is made to a copy
of the snapshot (or of the principal, the request, the clock), and the question is asked again. So all the changes
together are enough, and each of them is needed: the tests make them, and ask `decide`.
"""

import copy
import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from approvals.policy import Rule, Ruling, Window, next_change
from connectors.lifecycle import Listed
from connectors.models import OwnCredential
from connectors.own_state import WORDS, Owned
from identity.principals import ActingPrincipal, Grant
from identity.roles import ROLES, Role
from msplex.decision.decide import decide
from msplex.decision.gates import PERMISSIONS, Attempt
from msplex.decision.snapshot import Snapshot
from msplex.decision.verdicts import Code, Decision, Gate, Request, Usage, Verdict
from tenants.models import Customer, Entitlement, Subscription, Tenant

MOST_CHANGES = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """All that a decision is made from."""

    snapshot: Snapshot
    principal: ActingPrincipal | None
    request: Request
    now: datetime
    usage: Usage = dataclasses.field(default_factory=Usage)

    def asked(self) -> Decision:
        return decide(self.snapshot, self.principal, self.request, now=self.now, usage=self.usage)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """`made` gives the question as it would be after the change; None if nobody here can make it."""

    gate: Gate
    code: str
    text: str
    made: Callable[[Question], Question] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """`verdicts`: of the gates in order, as they are now; behind the first refusal, as they would be after the changes.

    `decision` is what a call would get now. `complete`: with the changes it runs, or waits for approval only.
    """

    decision: Decision
    verdicts: tuple[Verdict, ...]
    changes: tuple[Change, ...]
    complete: bool
    ruling: Ruling | None = None  # what the policy says of it, once the gates before are passed


def explain(question: Question) -> Explanation:
    asked, now = question, question.asked()
    verdicts: dict[Gate, Verdict] = {}
    changes: list[Change] = []
    while True:
        decision = question.asked()
        for verdict in decision.verdicts:
            verdicts.setdefault(verdict.gate, verdict)
        if decision.refusal is None or decision.refusal.code == Code.APPROVAL_REQUIRED:
            said = _attempt(question, decision).ruling
            return Explanation(now, _ordered(verdicts), _needed(asked, changes), complete=True, ruling=said)
        change = _change(question, decision)
        changes.append(change)
        if change.made is None or len(changes) == MOST_CHANGES:
            break
        question = change.made(question)
    return Explanation(now, _ordered(verdicts), tuple(changes), complete=False)


def _needed(question: Question, changes: list[Change]) -> tuple[Change, ...]:
    """Without what a later change has made superfluous: at another time, say, an earlier rule lets the call run."""
    kept = list(changes)
    for change in changes:
        rest = [each for each in kept if each is not change]
        if _passes(question, rest):
            kept = rest
    return tuple(kept)


def _passes(question: Question, changes: list[Change]) -> bool:
    for change in changes:
        if change.made is None:
            return False
        question = change.made(question)
    refusal = question.asked().refusal
    return refusal is None or refusal.code == Code.APPROVAL_REQUIRED


def _attempt(question: Question, decision: Decision) -> Attempt:
    """What the gates had in hand when they decided so."""
    return Attempt(
        question.snapshot, question.principal, question.request, question.now, question.usage, decision.resolved
    )


def _ordered(verdicts: dict[Gate, Verdict]) -> tuple[Verdict, ...]:
    return tuple(verdicts[gate] for gate in Gate if gate in verdicts)


def _change(question: Question, decision: Decision) -> Change:
    if decision.refusal is None:
        raise LookupError("nothing is refused")
    refusal = decision.refusal
    mend = _MENDED.get(refusal.code)
    text, made = mend(question, decision) if mend else (refusal.message, None)
    return Change(decision.verdicts[-1].gate, refusal.code, text, made)


Mended = tuple[str, Callable[[Question], Question] | None]


def _nobody_can(text: str) -> Callable[[Question, Decision], Mended]:
    return lambda _question, _decision: (text, None)


def _snapshot(question: Question, **changes: Any) -> Question:
    return dataclasses.replace(question, snapshot=dataclasses.replace(question.snapshot, **changes))


def _resume_tenant(_: Question, __: Decision) -> Mended:
    def made(question: Question) -> Question:
        old = question.snapshot.tenant
        tenant = Tenant(id=old.id, tenant_id=old.id, name=old.name, workspace=old.workspace, status="active")
        principal = question.principal and dataclasses.replace(question.principal, tenant_active=True)
        return dataclasses.replace(_snapshot(question, tenant=tenant), principal=principal)

    return "The deployment's provider lifts the suspension of the workspace.", made


def _choose_customer(question: Question, _: Decision) -> Mended:
    customer = _someone(question)
    if customer is None:
        return _role_for(question, None)
    request = dataclasses.replace(question.request, customer=str(customer.id))
    said = f"Name a customer in the caller's scope, such as {customer.key}."
    return said, lambda question: dataclasses.replace(question, request=request)


def _someone(question: Question) -> Customer | None:
    """An active customer in the caller's scope; best one that the connection knows."""
    principal, snapshot = question.principal, question.snapshot
    scope = principal.scope() if principal else ()
    usable = [c for c in snapshot.customers.values() if c.status == "active" and (scope is None or c.id in scope)]
    offered = snapshot.tools.get(question.request.tool)
    known = [c for c in usable if offered and (offered.instance.id, c.id) in snapshot.mapped]
    return next(iter(known or usable), None)


def _customer_out_of_scope(question: Question, decision: Decision) -> Mended:
    named = question.snapshot.customer_named(question.request.customer or "")
    if named is None:
        return _choose_customer(question, decision)
    if named.status != Customer.Status.ACTIVE:
        return f"{named.name} is archived. Choose another customer.", None
    return _role_for(question, named)


def _role_for(question: Question, customer: Customer | None) -> Mended:
    """The least role that may run the tool, for that customer alone."""
    offered = question.snapshot.tools.get(question.request.tool)
    permission = PERMISSIONS[offered.tool.risk] if offered else PERMISSIONS[min(PERMISSIONS)]
    role = least_role(permission)
    customer = customer or next((c for c in question.snapshot.customers.values() if c.status == "active"), None)
    if customer is None:
        return "Add a customer first; there is no active one.", None
    grant = Grant(role, None if ROLES[role].tenant_wide_only else customer.id)
    reach = "the whole tenant" if grant.customer_id is None else customer.name
    label = question.principal.label if question.principal else "the caller"

    def made(question: Question) -> Question:
        if question.principal is None:
            return question
        principal = dataclasses.replace(question.principal, grants=(*question.principal.grants, grant))
        return dataclasses.replace(question, principal=principal)

    return f"Give {label} the role {ROLES[role].label} for {reach}.", made


def least_role(permission: Any) -> Role:
    """The one that has it and the fewest others."""
    able = [role for role in ROLES if permission in ROLES[role].permissions]
    return min(able, key=lambda role: len(ROLES[role].permissions))


def _policy(question: Question, decision: Decision) -> Mended:
    attempt = _attempt(question, decision)
    customer, offered = decision.resolved.customer, attempt.offered
    if customer is None or offered is None or question.principal is None:
        raise LookupError("gates out of order")
    if not question.principal.allows(PERMISSIONS[offered.tool.risk], customer.id):
        return _role_for(question, customer)
    rule = attempt.ruling.rule
    if rule is None:
        raise LookupError("only a rule refuses here")
    return _rule_off(rule, question)


def _rule_off(rule: Rule, question: Question) -> Mended:
    """A rule that will be over by itself is waited for; any other is for those who edit the policy."""
    over = next_change(rule.window, question.now) if rule.window else None
    if over is not None:
        said = f"Wait until {_moment(over, rule.window)}, when the rule “{rule.name}” is over, or change that rule."
        return said, lambda question: _later(question, over)
    rules = tuple(each for each in question.snapshot.rules if each is not rule)
    said = f"Switch off or change rule {rule.position} of the policy, “{rule.name}”."
    return said, lambda question: _snapshot(question, rules=rules)


def _later(question: Question, moment: datetime) -> Question:
    """The same at another time: a connection that is checked all the time stays as fresh as it is."""
    instances = tuple(copy.copy(each) for each in question.snapshot.instances)
    for instance in instances:
        if instance.health_ok_at is not None:
            instance.health_ok_at += moment - question.now
    own = {key: _aged(kept, moment - question.now) for key, kept in question.snapshot.own.items()}
    return dataclasses.replace(_snapshot(question, instances=instances, own=own), now=moment)


def _aged(kept: Owned, by: timedelta) -> Owned:
    own = copy.copy(kept.own)
    own.health_ok_at = own.health_ok_at and own.health_ok_at + by
    return dataclasses.replace(kept, own=own)


def _moment(moment: datetime, window: Window | None) -> str:
    place = window.timezone if window else "UTC"
    return f"{moment.astimezone(ZoneInfo(place)):%a %d %b %H:%M} ({place})"


def _scope(question: Question, _: Decision) -> Mended:
    offered = question.snapshot.tools[question.request.tool]
    said = f"Connect the agent again, and grant it {PERMISSIONS[offered.tool.risk].value}."

    def made(question: Question) -> Question:
        principal = question.principal and question.principal.with_every_scope()
        return dataclasses.replace(question, principal=principal)

    return said, made


def _subscribe(question: Question, _: Decision) -> Mended:
    tenant = question.snapshot.tenant.id
    subscription = Subscription(id=tenant, tenant_id=tenant, plan="", status="active")
    said = "A tenant owner renews the subscription, or the deployment's provider sets one up."
    return said, lambda question: _snapshot(question, subscription=subscription)


def _entitle(question: Question, decision: Decision) -> Mended:
    connector = decision.resolved.connector
    if connector is None:
        raise LookupError("gates out of order")
    entitlement = Entitlement(
        tenant_id=question.snapshot.tenant.id, connector=connector.key, included_calls=1, overage_allowed=True
    )
    entitlements = {**question.snapshot.entitlements, connector.key: entitlement}
    said = f"A tenant owner changes to a plan that includes {connector.name}."
    return said, lambda question: _snapshot(question, entitlements=entitlements)


def _more_calls(_: Question, __: Decision) -> Mended:
    said = "Wait for the next month, or a tenant owner allows overage or changes the plan."
    return said, lambda question: dataclasses.replace(question, usage=Usage())


def _larger_share(question: Question, decision: Decision) -> Mended:
    customer = decision.resolved.customer
    if customer is None:
        raise LookupError("gates out of order")
    unlimited = copy.copy(customer)
    unlimited.monthly_calls = None
    customers = {**question.snapshot.customers, customer.id: unlimited}
    said = f"Wait for the next month, or raise the limit of {customer.name} under Limits."
    return said, lambda question: _snapshot(question, customers=customers)


def _slower(question: Question, decision: Decision) -> Mended:
    said, customer = f"Wait {question.usage.retry_after} s.", decision.resolved.customer
    if customer and question.usage.too_fast_for_customer:
        said = f"{said[:-1]}, or raise the calls a minute of {customer.name} under Limits."
    usage = dataclasses.replace(question.usage, waits=())
    return said, lambda question: dataclasses.replace(question, usage=usage)


def _resume(question: Question, decision: Decision) -> Mended:
    instance = decision.resolved.instance
    if instance is None:
        raise LookupError("gates out of order")
    paused = question.snapshot.paused - {instance.id}
    suspended = frozenset(each for each in question.snapshot.suspended if each[0] != instance.id)
    said = f"Look at the vendor, then resume {instance.name} under Connectors."
    return said, lambda question: _snapshot(question, paused=paused, suspended=suspended)


def _ready(question: Question, decision: Decision) -> Mended:
    """Everything that the connection lacks, in one change: it is one page."""
    instance, customer = decision.resolved.instance, decision.resolved.customer
    if instance is None or customer is None or decision.refusal is None:
        raise LookupError("gates out of order")
    ready = type(instance)(
        id=instance.id, tenant_id=instance.tenant_id, connector=instance.connector, slug=instance.slug,
        name=instance.name, settings=instance.settings, state="active", configured_at=question.now,
        health="healthy", health_ok_at=question.now, own_credentials_only=instance.own_credentials_only,
    )  # fmt: skip
    instances = tuple(ready if each.id == instance.id else each for each in question.snapshot.instances)
    mapped = question.snapshot.mapped | {(instance.id, customer.id)}
    credentials = {key: each for key, each in question.snapshot.credentials.items() if key != instance.id}
    found = question.snapshot.lifecycle_of(instance, question.now)
    lacks = f"{instance.name} is {found.word.lower()}. {found.next}"
    said = lacks if found.listed is Listed.NONE else decision.refusal.message
    return f"Under Connectors: {said}", lambda question: _snapshot(
        question, instances=instances, mapped=mapped, credentials=credentials
    )


def _own_ready(question: Question, decision: Decision) -> Mended:
    """A credential of the customer's own that works; in place of one that does not, or as its first."""
    instance, customer = decision.resolved.instance, decision.resolved.customer
    if instance is None or customer is None:
        raise LookupError("gates out of order")
    key, now = (instance.id, customer.id), question.now
    kept = question.snapshot.own.get(key)
    own = OwnCredential(
        tenant_id=instance.tenant_id, instance_id=instance.id, customer_id=customer.id, health="healthy",
        health_ok_at=now, stored_at=now,
    )  # fmt: skip
    said = (
        f"Enter a credential of its own for {customer.name}."
        if kept is None
        else f"The own credential of {customer.name} is not in order ({WORDS[kept.state(now)].lower()})."
        " Look at what its last check said, and mend or replace it."
    )
    owned = {**question.snapshot.own, key: Owned(own, None)}
    return f"Under the clients of {instance.name}: {said}", lambda question: _snapshot(question, own=owned)


_MENDED: dict[str, Callable[[Question, Decision], Mended]] = {
    Code.PRINCIPAL_REFUSED: _nobody_can("The caller was disabled, or is gone. Enable it, or use another one."),
    Code.TENANT_SUSPENDED: _resume_tenant,
    Code.CUSTOMER_REQUIRED: _choose_customer,
    Code.CUSTOMER_NOT_IN_SCOPE: _customer_out_of_scope,
    Code.ENTITLEMENTS_UNAVAILABLE: _subscribe,
    Code.SUBSCRIPTION_INACTIVE: _subscribe,
    Code.UNKNOWN_TOOL: _nobody_can("No connection offers a tool of this name. Check it, or set up the connection."),
    Code.CONNECTOR_NOT_ENTITLED: _entitle,
    Code.INSTANCE_NOT_READY: _ready,
    Code.OWN_CREDENTIAL_NOT_READY: _own_ready,
    Code.OWN_CREDENTIAL_REQUIRED: _own_ready,
    Code.RISKY_TOOLS_PAUSED: _resume,
    Code.TOOL_SUSPENDED: _resume,
    Code.POLICY_DENIED: _policy,
    Code.INSUFFICIENT_SCOPE: _scope,
    Code.INVALID_ARGUMENTS: lambda _, decision: (
        f"Correct the arguments: {decision.refusal.message if decision.refusal else ''}",
        None,
    ),
    Code.QUOTA_EXHAUSTED: _more_calls,
    Code.CUSTOMER_LIMIT_REACHED: _larger_share,
    Code.RATE_LIMITED: _slower,
}
