"""The suite's tools that take long or ask on the way, as tasks of the gateway's own wire.

What the gateway makes tasks of (people who have to agree, vendors that are slow) the suite cannot stage; so these are
kept here, in the one process that the suite talks to. Who may ask for a task, and how it looks, is the gateway's.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import mcp_types as t
from mcp.shared.exceptions import MCPError

from msplex.gateway.callers import Caller
from msplex.gateway.server import caller_of
from msplex.gateway.tasks_wire import NEEDED, Status, Task, created, takes_tasks
from tests.conformance.content import answer, ask, form, said_in, text

KEPT, POLL = timedelta(hours=1), timedelta(milliseconds=200)
ENDED = {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


@dataclass
class Job:
    owner: Caller
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: Status = Status.WORKING
    result: Any = None
    error: Any = None
    questions: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    work: "asyncio.Task[None] | None" = None

    async def put(self, **questions: Any) -> dict[str, Any]:
        """Waits until each has its answer."""
        self.questions = {name: wire(asked) for name, asked in questions.items()}
        self.status = Status.INPUT_REQUIRED
        await self.answered.wait()
        self.status = Status.WORKING
        return self.given

    def as_task(self) -> Task:
        result = None if self.result is None else wire(self.result)
        asked = self.questions if self.status is Status.INPUT_REQUIRED else None
        return Task(self.id, self.status, self.began, self.began, KEPT, POLL, "", result, self.error, asked)


def wire(model: Any) -> dict[str, Any]:
    said: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_none=True)
    return said


class Jobs:
    """A source of tasks, beside the gateway's own."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def start(self, caller: Caller, work: Any) -> dict[str, Any]:
        job = Job(caller)
        self._jobs[job.id] = job
        job.work = asyncio.get_running_loop().create_task(self._run(job, work))
        return created(job.as_task())

    async def _run(self, job: Job, work: Any) -> None:
        try:
            job.result = await work(job)
            job.status = Status.COMPLETED
        except MCPError as error:
            job.error, job.status = {"code": error.error.code, "message": error.error.message}, Status.FAILED
        except asyncio.CancelledError:
            job.status = Status.CANCELLED

    def _of(self, caller: Caller, task: str) -> Job | None:
        job = self._jobs.get(task)
        return job if job and job.owner.claims.principal_id == caller.claims.principal_id else None

    async def find(self, caller: Caller, task: str) -> Task | None:
        job = self._of(caller, task)
        return job.as_task() if job else None

    async def answer(self, caller: Caller, task: str, given: Mapping[str, Any], /) -> bool:
        job = self._of(caller, task)
        if job is None:
            return False
        known = {name: said for name, said in given.items() if name in job.questions}
        job.given |= known
        for name in known:
            del job.questions[name]
        if known and not job.questions:
            job.answered.set()
        return True

    async def cancel(self, caller: Caller, task: str) -> bool:
        job = self._of(caller, task)
        if job and job.work and job.status not in ENDED:
            job.work.cancel()
        return job is not None


async def greet(context: Any, params: Any, jobs: Jobs) -> Any:
    return answer(text(f"Hello, {params.arguments['name']}!"))


async def slow_compute(context: Any, params: Any, jobs: Jobs) -> Any:
    seconds = float((params.arguments or {}).get("seconds", 0))

    async def work(job: Job | None) -> Any:
        await asyncio.sleep(seconds)
        return answer(text(f"Computed for {seconds} s."))

    return jobs.start(caller_of(context), work) if takes_tasks(context) else await work(None)


def _needing(context: Any, jobs: Jobs, work: Any) -> Any:
    """Of a tool that is nothing but a task."""
    if not takes_tasks(context):
        raise MCPError(t.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool is a task.", NEEDED)
    return jobs.start(caller_of(context), work)


async def failing_job(context: Any, params: Any, jobs: Jobs) -> Any:
    async def work(job: Job) -> Any:
        await asyncio.sleep(1)
        return answer(text("It did not work."), failed=True)

    return _needing(context, jobs, work)


async def protocol_error_job(context: Any, params: Any, jobs: Jobs) -> Any:
    async def work(job: Job) -> Any:
        raise MCPError(t.INTERNAL_ERROR, "It broke.")

    return _needing(context, jobs, work)


async def confirm_delete(context: Any, params: Any, jobs: Jobs) -> Any:
    async def work(job: Job) -> Any:
        await job.put(confirm=form(f"Delete {params.arguments['filename']}?", confirm="boolean"))
        return answer(text("Deleted."))

    return _needing(context, jobs, work)


async def multi_input(context: Any, params: Any, jobs: Jobs) -> Any:
    async def work(job: Job) -> Any:
        await job.put(one=form("The first name?", name="string"), two=form("The second name?", name="string"))
        return answer(text("Both were given."))

    return _needing(context, jobs, work)


async def asks_then_works(context: Any, params: Any, jobs: Jobs) -> Any:
    """What it asks is asked before there is a task."""
    given = params.input_responses or {}
    if not given or params.request_state is None:
        return ask("asked", user_name=form("What is your name?", name="string"))
    name = said_in(next(iter(given.values())), "name")

    async def work(job: Job) -> Any:
        return answer(text(f"Hello, {name}!"))

    return _needing(context, jobs, work)


JOBS = {
    "confirm_delete": confirm_delete,
    "failing_job": failing_job,
    "greet": greet,
    "multi_input": multi_input,
    "protocol_error_job": protocol_error_job,
    "slow_compute": slow_compute,
    "test_tool_with_task": asks_then_works,
}
ANYTHING: dict[str, Any] = {"type": "object"}
