"""Gates 1 to 11 of one tools/call: decide, write down, commit, and only then tell the queue.

Runs in a thread of the gateway; each function opens and closes its own short transaction.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from approvals.services import request_approval
from audit.actors import ActorKind
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.services import record
from billing.selectors import calls_used
from billing.services import release_call, reserve_call
from connectors.models import ToolCall
from identity.errors import TokenRefused
from identity.principals import ActingPrincipal
from identity.services.agents import touch_agent_session
from identity.tokens import Claims, load_principal
from msplex import rates
from msplex.decision.decide import decide, listed, why_nothing
from msplex.decision.gates import quota_exhausted
from msplex.decision.snapshot import OfferedTool, Snapshot, snapshot
from msplex.decision.verdicts import Code, Decision, Gate, Refusal, Request, Resolved, Usage
from msplex.gateway import pace
from msplex.tasks import run_call
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)
NO_DATABASE = Refusal(Code.UNAVAILABLE, "The database does not answer, so nothing was done. Try again.", True, 2)
NAME_LENGTH = 128
ARGUMENTS_BYTES = 16 * 1024
CUSTOMER = "customer"  # the argument that names one; the tools themselves have no such argument


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """A checked token and where it came from."""

    claims: Claims
    address: str = ""
    request_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Waiter:
    """The gateway process that waits for the reply."""

    name: str
    public_key: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Begun:
    """A call that was written down: refused, or handed to the broker. Without an id it could not be written down."""

    call_id: UUID | None
    tenant_id: UUID
    decision: Decision
    scopes: tuple[str, ...] = ()  # what the token was given


class DoorClosed(Exception):
    """The door itself refuses this caller: no list, no call."""

    def __init__(self, gate: str, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.gate = gate
        self.refusal = refusal


def list_tools(caller: Caller) -> list[OfferedTool]:
    """What the caller may call. DoorClosed, with the gate named, rather than an empty list."""
    try:
        principal, taken = _seen_by(caller)
    except DatabaseError:
        logger.exception("a list could not be made")
        raise DoorClosed(Gate.LOAD_ENTITLEMENTS, NO_DATABASE) from None
    finally:
        connection.close()
    tools = listed(taken, principal)
    if not tools:
        raise DoorClosed(*why_nothing(taken, principal))
    return tools


def _seen_by(caller: Caller) -> tuple[ActingPrincipal, Snapshot]:
    with acting_for(_narrowest(caller)), transaction.atomic():
        principal = _principal(caller)
        if principal is None:
            refusal = decide(snapshot(), None, Request("")).refusal
            raise DoorClosed(Gate.AUTHENTICATE_PRINCIPAL, refusal or Refusal(Code.PRINCIPAL_REFUSED, ""))
        with acting_for(_context(caller, principal)):
            return principal, snapshot()


def begin_call(caller: Caller, name: str, arguments: Mapping[str, Any], waiter: Waiter) -> Begun:
    """Decide and write down one call. When it is allowed, its id is in the broker's queue on return."""
    customer = arguments.get(CUSTOMER)
    own = {key: value for key, value in arguments.items() if key != CUSTOMER}
    request = Request(_storable_text(name), own, None if customer is None else _storable_text(str(customer)))
    try:
        begun = _paced(caller, request, waiter)
        return _hand_over(caller, begun) if begun.decision.allowed else begun
    except AuditUnavailable as error:
        return not_begun(caller, Refusal(Code.AUDIT_UNAVAILABLE, error.message, retryable=True))
    except DatabaseError:
        logger.exception("a call could not be written down")
        return not_begun(caller, NO_DATABASE)
    finally:
        connection.close()


def not_begun(caller: Caller, refusal: Refusal) -> Begun:
    """A call that left no record, because nothing could be recorded: it is refused, and nothing was sent."""
    nothing = Decision((), Resolved()).refused_at(Gate.DISPATCH, refusal)
    return Begun(None, caller.claims.tenant_id, nothing)


def _paced(caller: Caller, request: Request, waiter: Waiter) -> Begun:
    entitlement = pace.entitlement_of(_narrowest(caller), request.tool)
    usage = Usage(retry_after=rates.take(entitlement) if entitlement else None)
    begun = _write_down(caller, request, usage, waiter)
    if usage.retry_after is None:
        pace.settle(entitlement, begun.decision)
    return begun


def _narrowest(caller: Caller) -> Context:
    return Context(caller.claims.tenant_id, (), caller.claims.principal_id)


def _context(caller: Caller, principal: ActingPrincipal) -> Context:
    return dataclasses.replace(_narrowest(caller), customers=principal.scope())


def _principal(caller: Caller) -> ActingPrincipal | None:
    try:
        principal = load_principal(caller.claims)
    except TokenRefused:
        return None
    if principal.agent_session_id:
        touch_agent_session(principal.agent_session_id)
    return principal


def _write_down(caller: Caller, request: Request, usage: Usage, waiter: Waiter) -> Begun:
    """One transaction: the decision's reads, the reservation, the call's row and its audit event."""
    with acting_for(_narrowest(caller)), transaction.atomic():
        principal = _principal(caller)
        scope = _context(caller, principal) if principal else _narrowest(caller)
        with acting_for(scope):
            decision = _decide(principal, request, usage)
            call = _call(caller, principal, request, decision, waiter)
            decision = _approval(decision, call)
            call.verdicts, call.gate = decision.as_json(), decision.gate
            call.code = decision.refusal.code if decision.refusal else ""
            call.save(force_insert=True)
            _record(caller, call, decision, EventKind.CALL_REFUSED if decision.refusal else EventKind.CALL_INTENDED)
    return Begun(call.id, caller.claims.tenant_id, decision, tuple(caller.claims.scope.split()))


def _decide(principal: ActingPrincipal | None, request: Request, usage: Usage) -> Decision:
    taken = snapshot()
    offered = taken.tools.get(request.tool)
    if offered:
        usage = dataclasses.replace(usage, used=calls_used(offered.connector.key))
    decision = decide(taken, principal, request, usage=usage)
    entitlement = decision.resolved.entitlement
    if decision.refusal or entitlement is None:
        return decision
    pace.remember(taken.tenant.id, request.tool, entitlement)
    if reserve_call(entitlement) is None:  # somebody took the last one since it was read
        return decision.refused_at(Gate.CHECK_QUOTA, quota_exhausted(entitlement.included_calls))
    return decision.passed(Gate.DISPATCH, "recorded before it was queued")


def _call(
    caller: Caller, principal: ActingPrincipal | None, request: Request, decision: Decision, waiter: Waiter
) -> ToolCall:
    resolved = decision.resolved
    arguments = _storable(request.arguments or {})
    return ToolCall(
        request_id=caller.request_id,
        principal_id=caller.claims.principal_id,
        principal_kind=(ActorKind.AGENT if caller.claims.agent_session_id else ActorKind.SERVICE_ACCOUNT).value,
        principal_label=principal.label if principal else caller.claims.client_id[:200],
        agent_session_id=caller.claims.agent_session_id,
        customer=resolved.customer,
        instance=resolved.instance,
        connector=resolved.connector.key if resolved.connector else "",
        tool=resolved.tool.name if resolved.tool else request.tool,
        arguments=arguments,
        arguments_digest=_digest(request.tool, arguments),
        state=ToolCall.State.REFUSED if decision.refusal else ToolCall.State.QUEUED,
        reply_to=waiter.name,
        reply_key=waiter.public_key,
    )


def _approval(decision: Decision, call: ToolCall) -> Decision:
    """A call that needs a person leaves a request behind, and its refusal says which."""
    refusal = decision.refusal
    if refusal is None or refusal.code != Code.APPROVAL_REQUIRED or call.customer is None:
        return decision
    waiting = request_approval(call)
    message = f"{refusal.message} It waits as request {waiting.id}."
    return decision.refused_at(
        Gate.CHECK_APPROVAL, dataclasses.replace(refusal, message=message, request_id=waiting.id)
    )


def _record(caller: Caller, call: ToolCall, decision: Decision, kind: EventKind) -> None:
    record(
        kind,
        actor=call.actor(caller.address),
        subject=("tool_call", call.id, call.tool),
        customer_id=call.customer_id,
        result="refused" if decision.refusal else "ok",
        body={
            "arguments_digest": call.arguments_digest,
            "code": decision.refusal.code if decision.refusal else "",
            "connector": call.connector,
            "gate": decision.gate,
            "token": caller.claims.token_id,
            "verdicts": [f"{verdict.gate}={'ok' if verdict.ok else verdict.code}" for verdict in decision.verdicts],
        },
    )


def _hand_over(caller: Caller, begun: Begun) -> Begun:
    """Gate 11: the id, and nothing else, to the broker. The row is committed already."""
    customer = begun.decision.resolved.customer
    if begun.call_id is None:
        raise LookupError("not written down")
    scope = dataclasses.replace(_narrowest(caller), customers=(customer.id,) if customer else ())
    with acting_for(scope):
        try:
            run_call.apply_async([str(begun.call_id)], retry=False)
        except (KombuError, RedisError, OSError):
            return dataclasses.replace(begun, decision=_not_queued(caller, begun, begun.call_id))
    return begun


def _not_queued(caller: Caller, begun: Begun, call_id: UUID) -> Decision:
    """Refused after all, unless the message did arrive: then the broker has claimed the call, and it goes on."""
    refusal = Refusal(Code.BUSY, "The queue does not answer, so nothing was sent. Try again in a moment.", True, 5)
    decision = begun.decision.refused_at(Gate.DISPATCH, refusal)
    with transaction.atomic():
        call = ToolCall.objects.select_for_update().get(id=call_id)
        if call.state != ToolCall.State.QUEUED:
            return begun.decision
        call.state, call.gate, call.code = ToolCall.State.REFUSED, decision.gate, refusal.code
        call.verdicts = decision.as_json()
        call.save(update_fields=["state", "gate", "code", "verdicts"])
        release_call(call.connector, call.created_at)
        _record(caller, call, decision, EventKind.CALL_REFUSED)
    return decision


def _digest(tool: str, arguments: Mapping[str, Any]) -> str:
    text = json.dumps([tool, arguments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _storable_text(text: str) -> str:
    """What PostgreSQL can hold of it: no NUL, no lone surrogates, at most a tool name's length."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:NAME_LENGTH]


def _storable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for the record; those of a refused call may be anything that JSON can say."""
    try:
        text = json.dumps(arguments, ensure_ascii=False)
        if len(text.encode()) <= ARGUMENTS_BYTES and "\\u0000" not in text:
            return dict(arguments)
    except (UnicodeEncodeError, ValueError):
        pass
    return {"not_kept": "too long, or not text that can be stored"}
