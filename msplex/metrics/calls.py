"""What is counted of calls and requests. No label names a tenant, a customer, a person or a tool."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from connectors.errors import MESSAGES
from connectors.models import ToolCall
from msplex.decision.verdicts import Code, Decision, Gate, Verdict
from tenants.counting import counter, histogram
from tenants.tracing import span_between

SHED = frozenset({Code.BUSY, Code.RATE_LIMITED})  # refused because there is too much, not because of what it is
DECISIONS = counter("msplex_decisions_total", "Verdicts of the gates", gate=Gate, outcome=("passed", "refused"))
CALLS = counter("msplex_calls_total", "Calls of tools at the gateway", outcome=("admitted", "refused", "shed"))
REFUSALS = counter("msplex_refusals_total", "Calls that were refused or failed", code=sorted({*Code, *MESSAGES}))
OUTCOMES = counter("msplex_call_outcomes_total", "Calls that the broker ended", state=ToolCall.State)
CALL_SECONDS = histogram(
    "msplex_call_seconds",
    "Stages of a call: decide and record, wait in the queue, run, from decision to answer",
    stage=("decide", "queue", "run", "answer"),
)
REQUESTS = counter("msplex_http_requests_total", "Requests to this door", status=("2xx", "3xx", "4xx", "5xx"))
REQUEST_SECONDS = histogram("msplex_http_request_seconds", "How long they took")


def count_decision(decision: Decision, seconds: float | None = None) -> None:
    """Of one call at the gateway, whether it was let through or not; without a time where it could not be written."""
    count_verdicts(decision.verdicts)
    if seconds is not None:
        CALL_SECONDS.observe(seconds, "decide")
    code = decision.refusal.code if decision.refusal else ""
    CALLS.add(("shed" if code in SHED else "refused") if code else "admitted")
    if code:
        REFUSALS.add(str(code))


def count_outcome(call: ToolCall, state: str, code: str, verdicts: Iterable[Verdict]) -> None:
    """Of one call in the broker."""
    count_verdicts(verdicts)
    OUTCOMES.add(str(state))
    if code:
        REFUSALS.add(str(code))
    if call.started_at:
        span_between("wait in the queue", call.created_at, call.started_at, call=call.id)
        CALL_SECONDS.observe((call.started_at - call.created_at).total_seconds(), "queue")
        CALL_SECONDS.observe((datetime.now(UTC) - call.started_at).total_seconds(), "run")


def count_verdicts(verdicts: Iterable[Verdict]) -> None:
    # By the text: an enumeration's hash is Python, and takes as long as all the rest.
    DECISIONS.add_each([(each.gate._value_, "passed" if each.ok else "refused") for each in verdicts])


@contextmanager
def waiting() -> Iterator[None]:
    """For the broker's answer."""
    began = time.perf_counter()
    try:
        yield
    finally:
        CALL_SECONDS.observe(time.perf_counter() - began, "answer")


def count_request(status: int, seconds: float) -> None:
    REQUESTS.add(f"{status // 100}xx")
    REQUEST_SECONDS.observe(seconds)
