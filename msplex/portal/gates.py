"""The thirteen gates as people read them, and a call's way through them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from connectors.models import ToolCall
from msplex.decision.verdicts import Gate


class Outcome(StrEnum):
    PASSED = "passed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    UNTOLD = "untold"  # of a moment that is over: nobody has recorded what the gate would need


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands over a gate."""

    gate: Gate
    label: str
    asks: str


SIGNS = (
    Sign(Gate.AUTHENTICATE_PRINCIPAL, "Principal", "Is the caller who it says, and still allowed in?"),
    Sign(Gate.RESOLVE_TENANT, "Tenant", "Which MSP does the token belong to?"),
    Sign(Gate.RESOLVE_CUSTOMER, "Customer", "For exactly which customer, and is it in the caller's scope?"),
    Sign(Gate.LOAD_ENTITLEMENTS, "Entitlements", "Can the entitlements be read?"),
    Sign(Gate.VERIFY_SUBSCRIPTION, "Subscription", "Is the subscription active?"),
    Sign(Gate.VERIFY_CONNECTOR_ENTITLEMENT, "Connector", "Does the plan include this connector?"),
    Sign(Gate.VERIFY_INSTANCE_READINESS, "Readiness", "Is the connection entitled, set up, healthy and active?"),
    Sign(Gate.EVALUATE_POLICY, "Policy", "Do the caller's roles allow this tool here?"),
    Sign(Gate.CHECK_QUOTA, "Quota", "Are there calls left, and is the rate within bounds?"),
    Sign(Gate.CHECK_APPROVAL, "Approval", "Does a person have to agree first?"),
    Sign(Gate.DISPATCH, "Dispatch", "Was the call recorded before anything ran?"),
    Sign(Gate.EXECUTE, "Execution", "Did the vendor answer, for this customer only?"),
    Sign(Gate.RETURN_RESULT, "Result", "Did the answer reach the caller?"),
)
LABELS = {sign.gate.value: sign.label for sign in SIGNS}


@dataclass(frozen=True, slots=True)
class Step:
    sign: Sign
    outcome: Outcome
    code: str
    detail: str
    took: timedelta | None = None


def way_through(verdicts: Iterable[Mapping[str, Any]], took: Mapping[Gate, timedelta] | None = None) -> list[Step]:
    """All thirteen in order; one without a verdict was never reached. `took`: where a call was for a time."""
    known = {str(verdict.get("gate")): verdict for verdict in verdicts}
    return [_step(sign, known.get(sign.gate.value), (took or {}).get(sign.gate)) for sign in SIGNS]


def times_of(call: ToolCall) -> dict[Gate, timedelta]:
    """Of what comes after the decision, whose gates say themselves how long they took: the line, and the vendor."""
    times = {}
    if call.started_at:
        times[Gate.DISPATCH] = call.started_at - call.created_at
        if call.finished_at:
            times[Gate.EXECUTE] = call.finished_at - call.started_at
    return times


def _step(sign: Sign, verdict: Mapping[str, Any] | None, took: timedelta | None) -> Step:
    if verdict is None:
        return Step(sign, Outcome.SKIPPED, "", "")
    said = verdict.get("ok")
    outcome = Outcome.UNTOLD if said is None else Outcome.PASSED if said else Outcome.REFUSED
    took = took or timedelta(microseconds=int(verdict.get("us") or 0))
    return Step(sign, outcome, str(verdict.get("code") or ""), str(verdict.get("detail") or ""), took)
