"""A person, or automation over the API, asks for approval before anything is called."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from approvals.batches import request_for_each
from approvals.models import ApprovalRequest
from approvals.policy import Ruling, strictest
from approvals.services import request_approval
from audit.actors import Actor
from connectors.models import ToolCall
from identity.principals import ActingPrincipal
from msplex.decision.decide import decide
from msplex.decision.gates import roles_for
from msplex.decision.snapshot import snapshot
from msplex.decision.verdicts import Code, Decision, Request
from tenants.errors import Conflict, Invalid, NotAllowed
from tenants.isolation.context import acting_tenant

MOST_APPROVERS = 10
_FIELDS = {
    Code.UNKNOWN_TOOL: "tool",
    Code.CUSTOMER_REQUIRED: "customer",
    Code.CUSTOMER_NOT_IN_SCOPE: "customer",
    Code.INVALID_ARGUMENTS: "arguments",
}


_PLURAL = {"customer": "customers"}


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """`approvers`: people that the requester asks for; more than the policy needs, never fewer."""

    tool: str
    customer: str | None
    arguments: Mapping[str, Any]
    reason: str
    ticket: str = ""
    approvers: int = 0
    customers: tuple[str, ...] = ()  # instead of one: several, decided about together
    arguments_of: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)  # where they differ


def ask_for_approval(wish: Wish, *, principal: ActingPrincipal, by: Actor) -> ApprovalRequest:
    """The gates are asked as for the call itself: what would be refused anyway is not put before anybody."""
    if not wish.reason.strip():
        raise Invalid("Say why, for those who decide.", field="reason", code="reason_needed")
    if wish.customers:
        return _ask_for_each(wish, principal, by)[0]
    decision = decide(snapshot(), principal, Request(wish.tool, dict(wish.arguments), wish.customer))
    said = ruling_needed(decision)
    wanted = dataclasses.replace(said, approvers=max(said.approvers, min(wish.approvers, MOST_APPROVERS)))
    return request_approval(call_for(wish, decision, principal, by), wanted, reason=wish.reason, ticket=wish.ticket)


def _ask_for_each(wish: Wish, principal: ActingPrincipal, by: Actor) -> list[ApprovalRequest]:
    """Through the gates for each customer, as the call for it would go; the strictest that one needs holds for all."""
    if unknown := set(wish.arguments_of) - set(wish.customers):
        raise Invalid(f"It is not asked for {', '.join(sorted(unknown))[:80]}.", field="arguments_of")
    calls, said = [], []
    for name in wish.customers:
        own = {**wish.arguments, **wish.arguments_of.get(name, {})}
        decision = decide(snapshot(), principal, Request(wish.tool, own, name))
        try:
            said.append(ruling_needed(decision))
        except Invalid as error:
            raise Invalid(f"{name[:63]}: {error.message}", field=_PLURAL.get(error.field or "", error.field)) from None
        calls.append(call_for(dataclasses.replace(wish, arguments=own), decision, principal, by))
    most = strictest(said)
    wanted = dataclasses.replace(most, approvers=max(most.approvers, min(wish.approvers, MOST_APPROVERS)))
    return request_for_each(calls, wanted, reason=wish.reason, ticket=wish.ticket)


def ruling_needed(decision: Decision) -> Ruling:
    """What people have to agree to; what stands in the way otherwise is raised, with the field that it is about."""
    refusal, said = decision.refusal, decision.resolved.ruling
    if refusal is None:
        raise Conflict("This call needs no approval. It can be made right away.", code="approval_not_needed")
    if refusal.code == Code.APPROVAL_REQUIRED and said is not None:
        return said
    if decision.hidden:
        raise Invalid("There is no such tool.", field="tool", code=Code.UNKNOWN_TOOL)
    if field := _FIELDS.get(Code(refusal.code)):
        raise Invalid(refusal.message, field=field, code=refusal.code)
    raise NotAllowed(refusal.message, code=refusal.code)


def call_for(wish: Wish, decision: Decision, principal: ActingPrincipal, by: Actor) -> ToolCall:
    """As the gateway would write it down; it is not written, because nothing was called."""
    found = decision.resolved
    if found.customer is None or found.instance is None or found.tool is None or found.connector is None:
        raise LookupError("gates out of order")
    return ToolCall(
        tenant_id=acting_tenant(), request_id=by.request_id, principal_id=principal.id,
        principal_kind=by.kind.value, principal_label=principal.label, agent_session_id=principal.agent_session_id,
        roles=sorted(roles_for(principal, found.customer.id)), customer=found.customer, instance=found.instance,
        connector=found.connector.key, tool=found.tool.name, arguments=dict(wish.arguments),
    )  # fmt: skip
