"""What has become of a call that its client does not wait for: a task is what its rows say, the request and the call.

There is no row of a task, so nothing can disagree with it, and every process of the gateway answers alike. Its id is
the request's, or that of a call that took long. A request that people have approved is run by the poll that finds it
so: its caller is there, with the token, roles, policy and quota of now, as if it had made the same call again.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from approvals.errors import NotOpen
from approvals.models import ApprovalRequest
from approvals.selectors import requests, voters_of
from approvals.services import DECIDE_WITHIN, EXECUTE_WITHIN, void, withdraw
from connectors.models import ToolCall
from msplex import kept
from msplex.decision.decide import decide
from msplex.decision.verdicts import WHOLE_DOOR, Code, Decision, Gate, Refusal, Request, Resolved, Verdict
from msplex.gateway import answers
from msplex.gateway.callers import Caller, Seen, Waiter, see
from msplex.gateway.calls import CANCELLED, CUSTOMER, NO_DATABASE, Begun, DoorClosed, begin_call
from msplex.gateway.records import Overtaken, write_refusal
from msplex.gateway.tasks_wire import Status, Task
from tenants.ids import uuid7_time
from tenants.isolation.context import acting_for

KEPT = DECIDE_WITHIN + EXECUTE_WITHIN + kept.KEPT
POLL, POLL_PEOPLE = timedelta(seconds=2), timedelta(seconds=5)
NOBODY = Waiter("", b"")  # the answer is kept, and nobody is told
GONE = Refusal(Code.ALREADY_DONE, "It was done. What it has answered is not kept any more; nothing is sent again.")
OPEN, OVER = ApprovalRequest.State, ToolCall.State
_APPROVAL = {Code.APPROVAL_REQUIRED, Code.APPROVAL_VOID, Code.APPROVAL_REJECTED}
Work = Callable[..., Awaitable[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """At least one of both. `agreed`: people who have approved, and whose vote counts now."""

    seen: Seen
    request: ApprovalRequest | None
    call: ToolCall | None
    answer: dict[str, Any] | None = None
    agreed: int = 0
    trouble: str = ""  # why what is approved could not be run just now


class CallTasks:
    """`in_thread`: runs database work, and says in words of ours what goes wrong."""

    def __init__(self, in_thread: Work) -> None:
        self._in_thread = in_thread

    async def find(self, caller: Caller, task: str) -> Task | None:
        found: Task | None = await self._in_thread(closing, find, caller, task)
        return found

    async def answer(self, caller: Caller, task: str, _given: Mapping[str, Any], /) -> bool:
        """Nothing of ours asks once it is a task: what the caller can say by itself is asked before."""
        return await self._in_thread(closing, look_at, caller, task) is not None

    async def cancel(self, caller: Caller, task: str) -> bool:
        done: bool = await self._in_thread(closing, cancel, caller, task)
        return done


def closing(work: Callable[..., Any], caller: Caller, task: str) -> Any:
    try:
        return work(caller, task)
    except DatabaseError:
        raise DoorClosed(Gate.LOAD_ENTITLEMENTS, NO_DATABASE) from None
    finally:
        connection.close()


def find(caller: Caller, task: str) -> Task | None:
    """As it is now; what is approved is run first."""
    found = look_at(caller, task)
    if found is None:
        return None
    if found.request is not None and found.request.state == OPEN.APPROVED:
        with _alone(found.request.pk) as alone:
            trouble = _run(caller, found.seen, found.request) if alone else ""
        found = look_at(caller, task) or found
        found = dataclasses.replace(found, trouble=trouble)
    return task_of(found)


_begun: set[UUID] = set()


@contextmanager
def _alone(request_id: UUID) -> Iterator[bool]:
    """Of many polls at once one makes the call: they would wait for the request's row, and the broker behind them."""
    alone = request_id not in _begun
    _begun.add(request_id)
    try:
        yield alone
    finally:
        if alone:
            _begun.discard(request_id)


def cancel(caller: Caller, task: str) -> bool:
    """What was not sent is not sent any more. What was goes on, and the task says what became of it."""
    found = look_at(caller, task)
    if found is None:
        return False
    if found.call is not None and found.call.state == OVER.QUEUED:
        _take_back(caller, found.seen, found.call)
    if found.request is not None:
        _withdraw(caller, found.seen, found.request)
    return True


def look_at(caller: Caller, task: str) -> Found | None:
    try:
        id_ = UUID(task)
    except ValueError:
        return None
    seen = admitted(caller)
    with acting_for(seen.context), transaction.atomic():
        request = _request(caller, id_)
        call = _call(caller, request.call_id if request else id_)
        if request is None and (call is None or call.approval_id or not _could_be_a_task(call)):
            return None
        answer = kept.answer_of(call) if call else None
        agreed = len(voters_of(request)) if request and request.state == OPEN.PENDING else 0
    return Found(seen, request, call, answer, agreed)


def admitted(caller: Caller) -> Seen:
    """Whoever may not act any more, or whose workspace is suspended, asks for nothing."""
    seen = see(caller)
    decision = decide(seen.snapshot, seen.principal, Request(""))
    if decision.refusal and decision.refusal.code in WHOLE_DOOR:
        raise DoorClosed(decision.gate, decision.refusal)
    return seen


def _request(caller: Caller, id_: UUID) -> ApprovalRequest | None:
    claims = caller.claims
    sessions = Q(agent_session_id=None) | Q(agent_session_id=claims.agent_session_id)
    since = datetime.now(UTC) - KEPT
    return requests().filter(sessions, id=id_, requester_id=claims.principal_id, created_at__gt=since).first()


def _call(caller: Caller, id_: UUID | None) -> ToolCall | None:
    claims = caller.claims
    if id_ is None:
        return None
    of_caller = ToolCall.objects.filter(principal_id=claims.principal_id, agent_session_id=claims.agent_session_id)
    return of_caller.filter(id=id_, created_at__gt=datetime.now(UTC) - KEPT).first()


def _could_be_a_task(call: ToolCall) -> bool:
    """It was sent, or would have been: a refusal was the whole answer."""
    return call.state != OVER.REFUSED or call.code == Code.CANCELLED


def _run(caller: Caller, seen: Seen, request: ApprovalRequest) -> str:
    """As the caller's own call, through every gate. Why it was not, where that may pass; else the approval is void."""
    name = f"{request.instance.slug}_{request.tool}"
    begun = begin_call(caller, name, {**request.arguments, CUSTOMER: str(request.customer_id)}, NOBODY)
    refusal = begun.decision.refusal
    if refusal is None or refusal.code in _APPROVAL:
        return ""
    if refusal.code in WHOLE_DOOR:
        raise DoorClosed(begun.decision.gate, refusal)
    if refusal.retryable:
        return refusal.message
    if seen.principal is not None:
        with acting_for(seen.context):
            void(request, refusal.message, by=seen.principal.actor(caller.address, caller.request_id))
    return ""


def _take_back(caller: Caller, seen: Seen, call: ToolCall) -> None:
    passed = [Verdict(Gate(v["gate"]), v["ok"], v.get("code", ""), v.get("detail", "")) for v in call.verdicts]
    refused = Decision(tuple(passed), Resolved()).refused_at(Gate.DISPATCH, CANCELLED)
    try:
        write_refusal(caller, seen, refused, call)
    except Overtaken:
        return  # the broker has it


def _withdraw(caller: Caller, seen: Seen, request: ApprovalRequest) -> None:
    if seen.principal is None:
        return
    try:
        with acting_for(seen.context):
            withdraw(request, principal=seen.principal, by=seen.principal.actor(caller.address, caller.request_id))
    except NotOpen:
        return  # it runs, or is over


def waiting(begun: Begun) -> Task | None:
    """The task instead of a refusal that only people can lift; None of any other."""
    refusal = begun.decision.refusal
    if refusal is None or refusal.code != Code.APPROVAL_REQUIRED or refusal.request_id is None:
        return None
    began = uuid7_time(refusal.request_id)
    return Task(str(refusal.request_id), Status.WORKING, began, began, KEPT, POLL_PEOPLE, refusal.message)


def running(call_id: UUID) -> Task:
    """Instead of an answer that takes too long to wait for."""
    began = uuid7_time(call_id)
    return Task(str(call_id), Status.WORKING, began, began, KEPT, POLL, "The call takes long, and goes on.")


def task_of(found: Found) -> Task:
    request, call = found.request, found.call
    row = request or call
    if row is None:
        raise LookupError("no task without a row")
    began = uuid7_time(row.pk)
    base = Task(str(row.pk), Status.WORKING, began, began, KEPT, POLL)
    if request is not None and (call is None or request.state not in {OPEN.EXECUTING, OPEN.EXECUTED, OPEN.UNKNOWN}):
        return _of_request(base, request, found)
    if call is None:
        raise LookupError("no task without a row")
    return _of_call(base, call, found.answer)


def _of_request(base: Task, request: ApprovalRequest, found: Found) -> Task:
    changed = request.ended_at or request.approved_at or request.created_at
    base = dataclasses.replace(base, changed_at=changed)
    match request.state:
        case OPEN.PENDING:
            where = f"{settings.PUBLIC_URL}/approvals/{request.pk}/"
            said = f"Waits for approval: {found.agreed} of {request.need} have agreed. {where}"
            return dataclasses.replace(base, poll=POLL_PEOPLE, message=said)
        case OPEN.APPROVED | OPEN.EXECUTING:
            return dataclasses.replace(base, message=f"Approved. {found.trouble}".strip())
        case OPEN.WITHDRAWN:
            return dataclasses.replace(base, status=Status.CANCELLED, message="Withdrawn. Nothing was sent.")
    return _ended(base, _refusal(request), Gate.CHECK_APPROVAL, found.call)


def _refusal(request: ApprovalRequest) -> Refusal:
    """Of a request that has ended without its call; or whose call has failed, in its own words."""
    said = f"Request {request.pk}: {request.because}".strip()
    if request.state == OPEN.REJECTED:
        return Refusal(Code.APPROVAL_REJECTED, said, request_id=request.pk)
    if request.state == OPEN.EXPIRED:
        return Refusal(Code.APPROVAL_VOID, f"{said} Call again to ask anew.", True, request_id=request.pk)
    return Refusal(request.code or Code.APPROVAL_VOID, said, request_id=request.pk)


def _of_call(base: Task, call: ToolCall, answer: dict[str, Any] | None) -> Task:
    base = dataclasses.replace(base, changed_at=call.finished_at or call.started_at or call.created_at)
    match call.state:
        case OVER.QUEUED:
            return dataclasses.replace(base, message="Waits in line for the broker.")
        case OVER.RUNNING:
            return dataclasses.replace(base, message="Is at the vendor.")
        case OVER.REFUSED if call.code == Code.CANCELLED:
            return dataclasses.replace(base, status=Status.CANCELLED, message=CANCELLED.message)
        case OVER.SUCCEEDED if answer is not None:
            return dataclasses.replace(base, status=Status.COMPLETED, result=answers.succeeded(answer, call.id))
        case OVER.SUCCEEDED:
            return _ended(base, GONE, Gate.RETURN_RESULT, call)
    said = next((verdict["detail"] for verdict in reversed(call.verdicts) if not verdict["ok"]), "")
    return _ended(base, Refusal(call.code, said), Gate.EXECUTE, call)


def _ended(base: Task, refusal: Refusal, gate: Gate, call: ToolCall | None) -> Task:
    """Completed, with the refusal as its result: nothing is wrong with the protocol."""
    begun = Begun(call.id if call else None, UUID(int=0), Decision((), Resolved()))
    result = answers.failed(gate.value, refusal, begun)
    return dataclasses.replace(base, status=Status.COMPLETED, message=refusal.message, result=result)
