"""Every gate's verdict as of a past moment, as far as it can be told; of the others, that it cannot, and why.

Roles, rules, plan, customers and connections are those of then (msplex.decision.past), by the names of now; what a tool
takes is what it is declared as now. A verdict that is told is exact: where a gate would need something that nobody has
recorded, it says so and is passed over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from approvals.policy import Ruling
from identity.principals import ActingPrincipal
from msplex.decision.explain import Question
from msplex.decision.gates import GATES, Attempt
from msplex.decision.past import Past
from msplex.decision.verdicts import Code, Gate

NOT_KEPT: Mapping[Gate, str] = {
    Gate.RESOLVE_TENANT: "When the provider has suspended the workspace is not in the workspace's own log.",
    Gate.VERIFY_INSTANCE_READINESS: "How healthy and fresh a connection was at every moment is not kept.",
    Gate.CHECK_QUOTA: "How many calls were reserved at that moment is not kept.",
}
NOT_ASKED = "Not asked: an earlier gate would have refused."
_CANNOT = "What is recorded of {} does not add up to what is there now, so it cannot be told for then."


def _policy(then: Past) -> str:
    if then.rules is None:
        return "the tool policy"
    return "" if then.grants is not None else "the caller's roles"


_NEEDS: Mapping[Gate, Callable[[Past], str]] = {
    Gate.AUTHENTICATE_PRINCIPAL: lambda then: "" if then.enabled is not None else "the caller's account",
    Gate.RESOLVE_CUSTOMER: lambda then: "" if then.grants is not None else "the caller's roles",
    Gate.LOAD_ENTITLEMENTS: lambda then: "" if then.subscription else "the subscription",
    Gate.VERIFY_SUBSCRIPTION: lambda then: "" if then.subscription else "the subscription",
    Gate.VERIFY_CONNECTOR_ENTITLEMENT: lambda then: "" if then.entitlements is not None else "the plan",
    Gate.EVALUATE_POLICY: _policy,
    Gate.CHECK_APPROVAL: _policy,
}


@dataclass(frozen=True, slots=True)
class Told:
    """`ok` None: it cannot be told; `detail` says why."""

    gate: Gate
    ok: bool | None
    code: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"gate": self.gate.value, "ok": self.ok, "code": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class AsOf:
    told: tuple[Told, ...]
    ruling: Ruling | None = None  # what the policy of then said

    @property
    def refused(self) -> Told | None:
        return next((each for each in self.told if each.ok is False), None)

    @property
    def outcome(self) -> str:
        """refused, which is certain; else untold: nothing recorded stood in the way but people."""
        found = self.refused
        return "untold" if found is None or found.code == Code.APPROVAL_REQUIRED else "refused"


def as_of(question: Question, then: Past) -> AsOf:
    """`question.now` is that moment, and its principal the caller as of now, whoever may act."""
    principal = _principal(question.principal, then)
    state = then.of(question.snapshot)
    attempt = Attempt(state, principal, question.request, then.at, question.usage)
    told: list[Told] = []
    for gate, rule in GATES:
        why = NOT_KEPT.get(gate) or _lacking(gate, then, attempt)
        if why:
            told.append(Told(gate, None, detail=why))
            continue
        refusal = rule(attempt)
        told.append(Told(gate, refusal is None, refusal.code if refusal else "", refusal.message if refusal else ""))
        if refusal:
            break
    passed = len(told)
    told += [Told(gate, None, detail=NOT_ASKED) for gate, _ in GATES[passed:]]
    return AsOf(tuple(told), attempt.resolved.ruling)


def _principal(principal: ActingPrincipal | None, then: Past) -> ActingPrincipal | None:
    if principal is None or then.enabled is False:
        return None
    return replace(principal, grants=then.grants or (), tenant_active=True)


def _lacking(gate: Gate, then: Past, attempt: Attempt) -> str:
    """Why the gate cannot be asked; empty if it can."""
    needed = _NEEDS[gate](then)
    if needed:
        return _CANNOT.format(needed)
    if gate in {Gate.EVALUATE_POLICY, Gate.CHECK_APPROVAL} and attempt.resolved.customer is None:
        return "For which customer it was cannot be told."
    return ""
