"""Gates 1 to 11 of one tools/call: decide, write down, commit, and only then tell the queue.

Runs in a thread of the gateway; each step is a short transaction of its own, and nothing waits inside one.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from audit.errors import AuditUnavailable
from connectors.models import ToolCall
from msplex import rates
from msplex.decision.decide import decide, listed, may_know, why_nothing
from msplex.decision.explain import Explanation, Question, explain
from msplex.decision.gates import customer_limit_reached, quota_exhausted
from msplex.decision.snapshot import OfferedTool
from msplex.decision.verdicts import Code, Decision, Gate, Refusal, Request, Resolved, Usage
from msplex.dispatch import line
from msplex.gateway import pace, repeating
from msplex.gateway.approving import UNTOLD, Told, approval, dispatchable, taken
from msplex.gateway.callers import Caller, Seen, Waiter, narrowest_of, see
from msplex.gateway.records import ApprovalGone, Overtaken, QuotaGone, ShareGone, call_of, write_call, write_refusal
from msplex.gateway.repeating import Earlier
from msplex.metrics.calls import count_decision
from tenants.isolation.context import acting_for
from tenants.tracing import span

logger = logging.getLogger(__name__)
NO_DATABASE = Refusal(Code.UNAVAILABLE, "The database does not answer, so nothing was done. Try again.", True, 2)
NO_QUEUE = Refusal(Code.BUSY, "The queue does not answer, so nothing was sent. Try again in a moment.", True, 5)
LINE_FULL = Refusal(
    Code.BUSY, "Too many calls for this customer wait already, so this one was not sent. Try again later.", True, 10
)
CANCELLED = Refusal(Code.CANCELLED, "The client left before the call was sent, so it was not sent.")
NAME_LENGTH = 128
EXPLAINED = frozenset({
    Code.CUSTOMER_REQUIRED, Code.CUSTOMER_NOT_IN_SCOPE, Code.CONNECTOR_NOT_ENTITLED, Code.INSTANCE_NOT_READY,
    Code.OWN_CREDENTIAL_NOT_READY, Code.OWN_CREDENTIAL_REQUIRED, Code.POLICY_DENIED, Code.QUOTA_EXHAUSTED,
    Code.CUSTOMER_LIMIT_REACHED, Code.RISKY_TOOLS_PAUSED, Code.TOOL_SUSPENDED,
})  # fmt: skip
CUSTOMER = "customer"  # the argument that names one; the tools themselves have no such argument


@dataclasses.dataclass(frozen=True, slots=True)
class Begun:
    """A call that was written down: refused, or handed to the broker. Without an id it could not be written down."""

    call_id: UUID | None
    tenant_id: UUID
    decision: Decision
    scopes: tuple[str, ...] = ()  # what the token was given
    explained: Explanation | None = None  # of a refusal by what the tenant has set up
    earlier: Earlier | None = None  # the call that was made under the same name, instead of this one
    keep: Callable[[Mapping[str, Any]], None] | None = None  # what it answers, for when it is asked for again
    withdraw: Callable[[], object] | None = None  # of one that was handed over: not to be sent any more, if it was not


class DoorClosed(Exception):
    """The door itself refuses this caller: no list, no call."""

    def __init__(self, gate: str, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.gate = gate
        self.refusal = refusal


def list_tools(caller: Caller) -> list[OfferedTool]:
    """What the caller may call. DoorClosed, with the gate named, rather than an empty list."""
    try:
        seen = see(caller)
    except DatabaseError:
        logger.exception("a list could not be made")
        raise DoorClosed(Gate.LOAD_ENTITLEMENTS, NO_DATABASE) from None
    finally:
        connection.close()
    if seen.principal is None:
        refused = decide(seen.snapshot, None, Request("")).refusal
        raise DoorClosed(Gate.AUTHENTICATE_PRINCIPAL, refused or Refusal(Code.PRINCIPAL_REFUSED, ""))
    tools = listed(seen.snapshot, seen.principal)
    if not tools:
        raise DoorClosed(*why_nothing(seen.snapshot, seen.principal))
    return tools


def begin_call(caller: Caller, name: str, arguments: Mapping[str, Any], waiter: Waiter, told: Told = UNTOLD) -> Begun:
    """Decide and write down one call. When it is allowed, its id is in the broker's queue on return."""
    customer = arguments.get(CUSTOMER)
    own = {key: value for key, value in arguments.items() if key != CUSTOMER}
    confirmed = told.confirmed is not None and caller.claims.agent_session_id is not None
    named = None if customer is None else _storable_text(str(customer))
    request = Request(_storable_text(name), own, named, confirmed)
    try:
        return _traced(caller, request, waiter, told)
    except AuditUnavailable as error:
        return not_begun(caller, Refusal(Code.AUDIT_UNAVAILABLE, error.message, retryable=True))
    except DatabaseError:
        logger.exception("a call could not be written down")
        return not_begun(caller, NO_DATABASE)
    finally:
        connection.close()


def _traced(caller: Caller, request: Request, waiter: Waiter, told: Told) -> Begun:
    with span("decide") as traced:
        begun = _begin(caller, request, waiter, told)
        refusal = begun.decision.refusal
        traced.set(call=begun.call_id, gate=begun.decision.gate, code=refusal.code if refusal else "")
        return begun


def not_begun(caller: Caller, refusal: Refusal) -> Begun:
    """A call that left no record, because nothing could be recorded: it is refused, and nothing was sent."""
    nothing = Decision((), Resolved()).refused_at(Gate.DISPATCH, refusal)
    count_decision(nothing)
    return Begun(None, caller.claims.tenant_id, nothing)


def _begin(caller: Caller, request: Request, waiter: Waiter, told: Told) -> Begun:
    began = time.perf_counter()
    seen = see(caller)
    decision = repeating.readable(_decide(seen, request), told)
    buckets = pace.buckets_of(decision)
    if waits := rates.take(buckets):
        decision, buckets = _decide(seen, request, waits), ()
    call = call_of(caller, seen, request, decision, waiter)
    asked = _Asked(caller, seen, call, repeating.key_for(decision, told))
    decision, earlier = repeating.held(seen, call, decision, asked.key) if asked.key else (decision, None)
    decision, earlier = _written(asked, approval(seen, decision, call, told), earlier)
    pace.settle(buckets, decision)
    if decision.allowed:
        decision = _hand_over(caller, seen, decision, call)
    count_decision(decision, time.perf_counter() - began)
    explained = _explained(seen, request, decision)
    keep = partial(repeating.keep_result, seen, call, asked.key) if asked.key and decision.allowed else None
    withdraw = partial(_not_sent, caller, seen, decision.refused_at(Gate.DISPATCH, CANCELLED), call)
    scopes = tuple(caller.claims.scope.split())
    return Begun(call.id, caller.claims.tenant_id, decision, scopes, explained, earlier, keep, withdraw)


def _explained(seen: Seen, request: Request, decision: Decision) -> Explanation | None:
    """What would let a call pass that was refused by a gate that people of the tenant can open; else nothing.

    Nor for a tool that the caller may not know of, however early the call was refused: it would be told of it.
    """
    if decision.refusal is None or decision.refusal.code not in EXPLAINED or not _known(seen, request):
        return None
    limited = decision.resolved.customer if decision.refusal.code == Code.CUSTOMER_LIMIT_REACHED else None
    usage = Usage(_used(seen, request), of_customer=limited.monthly_calls or 0 if limited else 0)
    return explain(Question(seen.snapshot, seen.principal, request, datetime.now(UTC), usage))


def _known(seen: Seen, request: Request) -> bool:
    offered = seen.snapshot.tools.get(request.tool)
    return bool(offered and seen.principal and may_know(seen.principal, offered.tool.risk))


def _used(seen: Seen, request: Request) -> int:
    """Calls of this month to the tool's connector."""
    offered = seen.snapshot.tools.get(request.tool)
    return seen.used.get(offered.connector.key, 0) if offered else 0


def _decide(seen: Seen, request: Request, waits: tuple[int, ...] = ()) -> Decision:
    usage = Usage(_used(seen, request), waits=waits)
    return dispatchable(decide(seen.snapshot, seen.principal, request, usage=usage), seen.lag)


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """`key`: by which its caller has named the change, if it is one."""

    caller: Caller
    seen: Seen
    call: ToolCall
    key: str | None


def _written(asked: _Asked, decision: Decision, earlier: Earlier | None) -> tuple[Decision, Earlier | None]:
    """As it was written down: refused after all, if somebody was faster."""
    call = asked.call
    try:
        write_call(asked.caller, asked.seen, decision, call, asked.key)
    except QuotaGone:
        entitlement = decision.resolved.entitlement
        included = entitlement.included_calls if entitlement else 0
        decision = decision.refused_at(Gate.CHECK_QUOTA, quota_exhausted(included))
    except ShareGone:
        if customer := decision.resolved.customer:
            decision = decision.refused_at(Gate.CHECK_QUOTA, customer_limit_reached(customer))
    except ApprovalGone:
        decision = decision.refused_at(Gate.CHECK_APPROVAL, taken(call.approval_id))
    except repeating.KeyHeld:
        decision = decision.refused_at(Gate.DISPATCH, repeating.on_its_way("A call"))
    else:
        return decision, earlier
    call.approval_id = None
    write_call(asked.caller, asked.seen, decision, call)
    return decision, earlier


def _hand_over(caller: Caller, seen: Seen, decision: Decision, call: ToolCall) -> Decision:
    """Gate 11: the id, and nothing else, to the broker. The row is committed already."""
    with acting_for(dataclasses.replace(narrowest_of(caller), customers=(call.customer_id,))):  # type: ignore[arg-type]
        trouble = _sent(call, seen)
    return (
        _not_sent(caller, seen, decision.refused_at(Gate.DISPATCH, trouble), call) or decision if trouble else decision
    )


def _sent(call: ToolCall, seen: Seen) -> Refusal | None:
    """What kept it from being sent, or nothing."""
    subscription = seen.snapshot.subscription
    try:
        line.send(call.id, weight=subscription.weight if subscription else 1)
    except line.LineFull:
        return LINE_FULL
    except (RedisError, OSError):
        return NO_QUEUE
    return None


def _not_sent(caller: Caller, seen: Seen, refused: Decision, call: ToolCall) -> Decision | None:
    """Refused after all. None if the message did arrive: then the broker has claimed the call, and it goes on."""
    try:
        write_refusal(caller, seen, refused, call)
    except Overtaken:
        return None
    return refused


def _storable_text(text: str) -> str:
    """What PostgreSQL can hold of it: no NUL, no lone surrogates, at most a tool name's length."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:NAME_LENGTH]
