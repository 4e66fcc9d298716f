"""tools/list and tools/call for a caller whom the door has let in, whichever way the request came to be read.

Results are as they go over the wire; refusals of the door, and tools that the caller may not know of, are MCPErrors.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple
from uuid import UUID

from django.db import connection
from mcp.shared.exceptions import MCPError

from msplex.decision.verdicts import Code, Gate, Refusal
from msplex.gateway import answers, handles
from msplex.gateway.approving import UNTOLD, Told
from msplex.gateway.asking import Questions
from msplex.gateway.callers import Caller
from msplex.gateway.calls import Begun, DoorClosed, begin_call, list_tools
from msplex.gateway.confirming import is_asked, question
from msplex.gateway.progress import IN_LINE, Progress, agreed
from msplex.gateway.replies import TIMEOUT_SECONDS, NoReply, Replies
from msplex.gateway.streams import Names, Streams
from msplex.gateway.tasks_found import CallTasks, closing, look_at, running, waiting
from msplex.gateway.tasks_wire import Source, created
from msplex.metrics.calls import waiting as counted_waiting

THREADS = 8  # of database work at once; each has a connection of its own
WAIT_SECONDS = 0.5  # for a turn; with the limits of statements and locks, every answer comes within two seconds
BUSY = Refusal(Code.BUSY, "The gateway is busy, so nothing was done. Try again in a moment.", True, 2)
PAGE = 250  # tools; the cursor names the last one, so a list that changes meanwhile neither repeats nor ends
CURSOR = "tools/list"
INTERNAL_ERROR = -32603
LONG_SECONDS = 10.0  # behind kept.LONG, with which the broker begins to keep what is answered
MESSAGE_NO_REPLY = "No answer in time. The call's record will show what became of it; do not repeat it blindly."
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
logger = logging.getLogger(__name__)


class Handlers:
    """What every request shares: the replies of this process, and a bound on its database work."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="database")
        self._turns = asyncio.Semaphore(THREADS)
        self._withdrawing: set[asyncio.Task[object]] = set()
        self.streams = Streams(self.names)
        self.questions = Questions(replies)
        self.tasks: list[Source] = [CallTasks(self._in_thread)]

    async def tools(self, caller: Caller, cursor: str | None = None) -> answers.Page:
        """A page of what the caller may call now; the cursor says only where it begins."""
        after = _place_of(cursor, caller)
        offered = await self._in_thread(list_tools, caller)
        rest = [tool for tool in offered if tool.name > after] if after else offered
        if len(rest) <= PAGE:
            return answers.Page(rest)
        return answers.Page(rest[:PAGE], handles.seal(rest[PAGE - 1].name, purpose=CURSOR, caller=caller))

    async def names(self, caller: Caller) -> Names:
        return tuple(tool.name for tool in await self._in_thread(list_tools, caller))

    async def call(
        self,
        caller: Caller,
        name: str,
        arguments: Mapping[str, Any],
        told: Told = UNTOLD,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """The result of tools/call; for a client that takes one, a task where people have to agree or it takes long."""
        waiter = self._replies.listener if progress else self._replies.waiter
        begin = partial(self._in_thread, begin_call, caller, name, arguments, waiter, told)
        begun = await begin()
        if progress and not told.takes_tasks and (task := waiting(begun)):
            look = partial(self._in_thread, closing, look_at, caller, task.id)
            begun = await begin() if await agreed(look, progress) else begun
        if begun.earlier and begun.earlier.structured is not None:
            return answers.repeated(begun.earlier)
        if is_asked(begun):
            return question(begun, arguments, told)
        if begun.call_id is None or not begun.decision.allowed:
            task = waiting(begun) if told.takes_tasks else None
            return created(task) if task else answers.refused(begun)
        return await self._result(begun, begun.call_id, told, progress)

    async def explain(self, work: Callable[[Caller, str], Any], caller: Caller, call: str) -> Any:
        """What is recorded of one call of the caller's own."""
        return await self._in_thread(closing, work, caller, call)

    async def _in_thread(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Database work; whatever goes wrong is said in words of ours."""
        async with self._turn():
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, copy_context().run, work, *arguments
                )
            except DoorClosed as closed:
                raise answers.door_closed(closed) from None
            except Exception:  # the edge of the door: the exception's text is nobody's business outside
                logger.exception("a request to the gateway failed")
                raise MCPError(INTERNAL_ERROR, "Internal error") from None

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """With a bound on waiting for it."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise answers.door_closed(DoorClosed(Gate.DISPATCH, BUSY)) from None
        try:
            yield
        finally:
            self._turns.release()

    async def _keep(self, keep: Callable[[Mapping[str, Any]], None], structured: Mapping[str, Any]) -> None:
        """Whatever goes wrong with it: the change is made and has its answer, and is not made again either way."""
        try:
            await self._in_thread(_and_close, partial(keep, structured))
        except MCPError:
            logger.warning("an answer could not be kept for when it is asked for again")

    def _withdraw(self, withdraw: Callable[[], object]) -> None:
        """Outside of what is being cancelled."""
        task = asyncio.get_running_loop().create_task(self._in_thread(_and_close, withdraw))
        self._withdrawing.add(task)
        task.add_done_callback(self._withdrawn)

    def _withdrawn(self, task: asyncio.Task[object]) -> None:
        self._withdrawing.discard(task)
        if not task.cancelled() and task.exception():  # then it goes on, and its record says what became of it
            logger.warning("a call whose client has left could not be withdrawn")

    async def _result(
        self, begun: Begun, call_id: UUID, told: Told, progress: Progress | None = None
    ) -> dict[str, Any]:
        if progress:
            progress.tell(IN_LINE)
        try:
            with counted_waiting():
                seconds = LONG_SECONDS if told.takes_tasks else TIMEOUT_SECONDS
                reply = await self._replies.wait(begun.tenant_id, call_id, seconds, progress.tell if progress else None)
        except asyncio.CancelledError:  # the client has left
            if begun.withdraw:
                self._withdraw(begun.withdraw)
            raise
        except NoReply:
            if told.takes_tasks:
                return created(running(call_id))
            return answers.failed(Gate.RETURN_RESULT, Refusal(Code.OUTCOME_UNKNOWN, MESSAGE_NO_REPLY), begun)
        if reply["ok"]:
            if begun.keep:
                await self._keep(begun.keep, reply["structured"])
            return answers.succeeded(reply["structured"], begun.call_id)
        refusal = Refusal(reply["code"], reply["message"], reply["retryable"], reply["retry_after"])
        return answers.failed(Gate.EXECUTE, refusal, begun)


def _and_close(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        connection.close()


def _place_of(cursor: str | None, caller: Caller) -> str:
    if cursor is None:
        return ""
    try:
        return str(handles.unseal(cursor, purpose=CURSOR, caller=caller))
    except handles.HandleRefused:
        raise MCPError(answers.INVALID_PARAMS, "Invalid cursor") from None
