"""decide() and what is made of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from time import perf_counter_ns
from uuid import UUID

from connectors.contract import Risk
from identity.principals import ActingPrincipal
from msplex.decision.gates import GATES, LISTING, PERMISSIONS, Attempt
from msplex.decision.snapshot import OfferedTool, Snapshot
from msplex.decision.verdicts import CONFIRMED, WHOLE_DOOR, Code, Decision, Gate, Refusal, Request, Usage, Verdict

_NOTHING_USED = Usage()


def decide(
    snapshot: Snapshot,
    principal: ActingPrincipal | None,
    request: Request,
    *,
    now: datetime | None = None,
    usage: Usage = _NOTHING_USED,
) -> Decision:
    """The verdicts of gates 1 to 10, up to the first refusal. Pure: the same answer for the same arguments.

    A request without arguments asks for the list and stops at gate 8. Each verdict says how long it took, which is no
    part of the answer.
    """
    attempt = Attempt(snapshot, principal, request, now or datetime.now(UTC), usage)
    verdicts: list[Verdict] = []
    began = perf_counter_ns()
    for gate, rule in GATES if request.arguments is not None else GATES[:LISTING]:
        refusal = rule(attempt)
        if refusal:
            verdicts.append(Verdict(gate, ok=False, code=refusal.code, detail=refusal.message, us=_since(began)))
            hidden = _hidden(attempt, refusal)
            return Decision(tuple(verdicts), attempt.resolved, refusal, hidden)
        verdicts.append(Verdict(gate, ok=True, detail=_detail(gate, attempt), us=_since(began)))
        began = perf_counter_ns()
    return Decision(tuple(verdicts), attempt.resolved)


def _since(began: int) -> int:
    """Microseconds, one at least: a gate that was asked took some time."""
    return (perf_counter_ns() - began) // 1000 or 1


def listed(snapshot: Snapshot, principal: ActingPrincipal, *, now: datetime | None = None) -> list[OfferedTool]:
    """The tools that the principal may call for at least one customer in its scope: what tools/list shows."""
    now = now or datetime.now(UTC)
    return [tool for tool in snapshot.tools.values() if _callable_for_some(snapshot, principal, tool, now)]


def why_nothing(snapshot: Snapshot, principal: ActingPrincipal, *, now: datetime | None = None) -> tuple[str, Refusal]:
    """The gate and the refusal that stand behind an empty list, which is never answered without a reason."""
    now = now or datetime.now(UTC)
    offered = next(iter(snapshot.tools.values()), None)
    customer = next(_candidates(snapshot, principal, offered, now), None) if offered else None
    customer = customer or next(iter(snapshot.customers), None)
    request = Request(offered.name if offered else "", customer=str(customer) if customer else None)
    decision = decide(snapshot, principal, request, now=now)
    if decision.refusal and (offered or decision.refusal.code in WHOLE_DOOR):
        return _seen_by(decision, decision.refusal)
    if not any(e.valid_until is None or e.valid_until > now for e in snapshot.entitlements.values()):
        message = "The plan includes no connector. A tenant owner can change the plan."
        return Gate.VERIFY_CONNECTOR_ENTITLEMENT.value, Refusal(Code.CONNECTOR_NOT_ENTITLED, message)
    message = "No connector is set up yet. An operator can connect one in the portal."
    return Gate.VERIFY_INSTANCE_READINESS.value, Refusal(Code.INSTANCE_NOT_READY, message, retryable=True)


def _seen_by(decision: Decision, refusal: Refusal) -> tuple[str, Refusal]:
    if not decision.hidden:
        return decision.gate, refusal
    return Gate.EVALUATE_POLICY.value, Refusal(Code.POLICY_DENIED, "None of your roles may run a tool.")


def may_know(principal: ActingPrincipal, risk: Risk) -> bool:
    """A tool that no role of the caller could ever run is, to the caller, a tool that does not exist."""
    return principal.with_every_scope().allows(PERMISSIONS[risk])


def _callable_for_some(snapshot: Snapshot, principal: ActingPrincipal, offered: OfferedTool, now: datetime) -> bool:
    candidates = _candidates(snapshot, principal, offered, now)
    requests = (Request(offered.name, customer=str(customer)) for customer in candidates)
    return any(_is_listed(Attempt(snapshot, principal, request, now, _NOTHING_USED)) for request in requests)


def _is_listed(attempt: Attempt) -> bool:
    """What `decide` says of it, by the same gates. No verdict of a list is kept; making them was most of the work."""
    return not any(rule(attempt) for _, rule in GATES[:LISTING])


def _candidates(snapshot: Snapshot, principal: ActingPrincipal, offered: OfferedTool, now: datetime) -> Iterator[UUID]:
    """Each customer that could make a difference, however many customers there are: those that a grant or a rule names.

    To a tenant-wide grant all others are alike, so some mapped one of them stands for all; and of those who have a
    credential of their own, one whose is in order.
    """
    named = {grant.customer_id for grant in principal.grants if grant.customer_id}
    if principal.scope() is None:
        mapped, own = (
            each.get(offered.instance.id, []) for each in (snapshot.mapped_customers, snapshot.own_customers)
        )
        named |= snapshot.ruled_customers.intersection(mapped)
        alike = [customer for customer in own if customer not in named]
        usable = (customer for customer in alike if snapshot.own[offered.instance.id, customer].usable(now))
        yield from islice((customer for customer in mapped if customer not in named and customer not in own), 1)
        yield from islice(chain(usable, alike), 1)
    yield from named


def _hidden(attempt: Attempt, refusal: Refusal) -> bool:
    if attempt.principal is None or attempt.resolved.tool is None:
        return refusal.code == Code.UNKNOWN_TOOL
    return not may_know(attempt.principal, attempt.resolved.tool.risk)


def _detail(gate: Gate, attempt: Attempt) -> str:
    match gate:
        case Gate.AUTHENTICATE_PRINCIPAL:
            return attempt.caller.label
        case Gate.RESOLVE_TENANT:
            return attempt.snapshot.tenant.name
        case Gate.RESOLVE_CUSTOMER:
            return attempt.resolved.customer.key if attempt.resolved.customer else ""
        case Gate.VERIFY_INSTANCE_READINESS:
            return attempt.resolved.instance.name if attempt.resolved.instance else ""
        case Gate.CHECK_QUOTA if attempt.resolved.entitlement:
            # No number: the tenant's usage is not for a customer's eyes, and its people see this call.
            over = attempt.usage.used >= attempt.resolved.entitlement.included_calls
            return "beyond the included calls" if over else "within the included calls"
    confirmed = gate is Gate.CHECK_APPROVAL and attempt.request.confirmed and attempt.ruling.confirms
    return CONFIRMED if confirmed else ""
