"""The thirteen gates as people read them, and a call's way through them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    PASSED = "passed"
    REFUSED = "refused"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Gate:
    key: str
    label: str
    asks: str


GATES = (
    Gate("authenticate_principal", "Principal", "Is the caller who it says, and still allowed in?"),
    Gate("resolve_tenant", "Tenant", "Which MSP does the token belong to?"),
    Gate("resolve_customer", "Customer", "For exactly which customer, and is it in the caller's scope?"),
    Gate("load_entitlements", "Entitlements", "Can the entitlements be read?"),
    Gate("verify_subscription", "Subscription", "Is the subscription active?"),
    Gate("verify_connector_entitlement", "Connector", "Does the plan include this connector?"),
    Gate("verify_instance_readiness", "Readiness", "Is the connection entitled, set up, healthy and active?"),
    Gate("evaluate_policy", "Policy", "Do the caller's roles allow this tool here?"),
    Gate("check_quota", "Quota", "Are there calls left, and is the rate within bounds?"),
    Gate("check_approval", "Approval", "Does a person have to agree first?"),
    Gate("dispatch", "Dispatch", "Was the call recorded before anything ran?"),
    Gate("execute", "Execution", "Did the vendor answer, for this customer only?"),
    Gate("return_result", "Result", "Did the answer reach the caller?"),
)
LABELS = {gate.key: gate.label for gate in GATES}


@dataclass(frozen=True, slots=True)
class Step:
    gate: Gate
    outcome: Outcome
    code: str
    detail: str


def way_through(verdicts: Iterable[Mapping[str, Any]]) -> list[Step]:
    """All thirteen in order; one without a verdict was never reached."""
    known = {str(verdict.get("gate")): verdict for verdict in verdicts}
    return [_step(gate, known.get(gate.key)) for gate in GATES]


def _step(gate: Gate, verdict: Mapping[str, Any] | None) -> Step:
    if verdict is None:
        return Step(gate, Outcome.SKIPPED, "", "")
    outcome = Outcome.PASSED if verdict.get("ok") else Outcome.REFUSED
    return Step(gate, outcome, str(verdict.get("code") or ""), str(verdict.get("detail") or ""))
