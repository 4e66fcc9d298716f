"""A client that takes tasks gets one for a call that waits for people, or takes long. Through real processes."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.conf import settings

from approvals.models import ApprovalRequest, ToolRule
from approvals.voting import reject
from connectors.models import KeptAnswer, ToolCall
from identity.roles import Role
from identity.selectors import acting_principal
from identity.tokens import read_access_token
from msplex import kept
from msplex.dispatch import line
from msplex.gateway import handlers, tasks_found
from msplex.gateway.approving import Told
from msplex.gateway.callers import Caller, Waiter
from msplex.gateway.calls import begin_call
from msplex.gateway.handlers import Handlers
from msplex.gateway.replies import NoReply, Replies
from tests.approvals.asking import approve
from tests.conftest import as_role, stack_redis
from tests.connectors.factories import connect
from tests.connectors.vendor import notes
from tests.gateway.door import Door, agent, in_a_thread, refusal
from tests.identity.factories import acting_as, make_member
from tests.processes import gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
ADD, NOTE, LIST = "halopsa_add_note", {"ticket_id": 11003, "note": "Restarted the spooler"}, "halopsa_list_tickets"
TASKS = "io.modelcontextprotocol/tasks"
SPEAKS = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}}}
UNKNOWN = {"code": -32602, "message": "Unknown task"}
State = ApprovalRequest.State


@pytest.fixture
def world(vendor):
    world = connect(vendor)
    vendor.reset()
    return world


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def asked(door: Door, method: str, task: str, **headers):
    params = {"taskId": task} | ({"inputResponses": {}} if method == "tasks/update" else {})
    return door.post_with(SPEAKS, method, params, **{"Mcp-Name": task, **headers})


def task_of(door: Door, task: str):
    answer = asked(door, "tasks/get", task).json()
    return answer.get("result") or answer["error"]


def begun(door: Door, name: str = ADD, **arguments):
    return door.post_with(SPEAKS, "tools/call", {"name": name, "arguments": arguments or NOTE}).json()["result"]


def ended(door: Door, task: str):
    deadline = time.monotonic() + 60
    while (found := task_of(door, task))["status"] in {"working", "input_required"}:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def request_of(world) -> ApprovalRequest:
    with world.tenant.acting():
        return ApprovalRequest.objects.latest("id")


def approved(door: Door, world) -> str:
    task = begun(door)["taskId"]
    assert approve(make_member(world.tenant, Role.ADMIN), request_of(world))
    return task


def test_a_call_that_waits_for_people_is_a_task_and_runs_once_they_agree(door, world, vendor):
    made = begun(door)
    waits = task_of(door, made["taskId"])
    people = [make_member(world.tenant, Role.ADMIN)]

    assert (made["resultType"], made["status"], made["taskId"]) == ("task", "working", str(request_of(world).id))
    assert waits["statusMessage"].startswith("Waits for approval: 0 of 1 have agreed. http")
    assert made["createdAt"] == waits["createdAt"]
    assert (waits["ttlMs"], waits["pollIntervalMs"]) == ((24 * 60 + 15 + 24 * 60) * 60_000, 5000)
    assert begun(door)["taskId"] == made["taskId"], "the same call again is the same task"
    assert approve(people[0], request_of(world))
    done = ended(door, made["taskId"])

    assert done["status"] == "completed"
    assert done["result"]["isError"] is False
    assert done["result"]["structuredContent"]
    assert notes(vendor) == 1
    assert task_of(door, made["taskId"]) == done, "asked again, it says the same, and nothing is sent"
    assert (notes(vendor), request_of(world).state) == (1, State.EXECUTED)


def test_a_process_that_ends_takes_nothing_of_a_task_with_it(door, world, vendor):
    with gateway(stack_redis()) as first:
        task = approved(Door(first, door.token), world)
        assert task_of(Door(first, door.token), task)["status"] in {"working", "completed"}

    assert ended(door, task)["result"]["isError"] is False
    assert notes(vendor) == 1


def test_polls_at_once_through_two_gateways_run_it_once(door, world, vendor):
    task = approved(door, world)
    with gateway(stack_redis()) as second:
        doors = door, Door(second, door.token)
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda each: task_of(doors[each % 2], task), range(24)))
        assert ended(doors[1], task)["result"]["isError"] is False

    assert notes(vendor) == 1
    with world.tenant.acting():
        assert ToolCall.objects.filter(state="succeeded").count() == 1


def test_a_task_of_somebody_else_is_unknown_like_one_that_never_was(gateway_url, door, world, vendor):
    task = approved(door, world)
    other = agent(gateway_url, world, world.tenant.customers[0])
    stranger = agent(gateway_url, foreign := connect(vendor), foreign.tenant.customers[0])

    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        for strange in (other, stranger):
            answers = [asked(strange, method, each) for each in (task, "01890a5d-ac96-774b-bcce-b302099a8057", "x")]
            assert [each.json()["error"] for each in answers] == [UNKNOWN] * 3
            assert len({each.status_code for each in answers}) == 1
    assert (notes(vendor), request_of(world).state) == (0, State.APPROVED)


def test_a_client_that_takes_no_tasks_is_refused_as_before_and_may_not_ask(door, world):
    answer = door.call(ADD, **NOTE)
    task = refusal(answer)["approval_request"]

    assert answer["isError"] is True
    for method, more in (("tasks/get", {}), ("tasks/cancel", {}), ("tasks/update", {"inputResponses": {}})):
        asked_plainly = door.post(method, {"taskId": task, **more}, **{"Mcp-Name": task})
        assert asked_plainly.json()["error"]["code"] == -32021
        assert asked_plainly.json()["error"]["data"] == {"requiredCapabilities": {"extensions": {TASKS: {}}}}
        assert asked_plainly.status_code == 400
    assert task_of(door, task)["status"] == "working"


def test_the_handshake_revisions_have_no_tasks(door):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "x", "_meta": SPEAKS}}
    headers = {"Authorization": f"Bearer {door.token}", "Accept": "application/json, text/event-stream"}
    import httpx2  # noqa: PLC0415

    with httpx2.Client(trust_env=False) as http:
        answer = http.post(door.url, json=body, headers=headers | {"MCP-Protocol-Version": "2025-11-25"}).json()

    assert answer["error"]["code"] == -32601


@pytest.mark.parametrize("named", ["another", ""])
def test_the_header_names_the_task_or_the_request_is_refused(door, named):
    answer = asked(door, "tasks/get", "x", **{"Mcp-Name": named})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)


def test_cancelling_withdraws_what_nobody_has_decided_and_what_nobody_has_run(door, world, vendor):
    waits = begun(door)["taskId"]
    assert asked(door, "tasks/cancel", waits).json()["result"].keys() == {"resultType", "_meta"}
    assert (task_of(door, waits)["status"], request_of(world).state) == ("cancelled", State.WITHDRAWN)
    agreed = approved(door, world)
    asked(door, "tasks/cancel", agreed)
    again = asked(door, "tasks/cancel", agreed).json()["result"]

    assert again["resultType"] == "complete"
    assert (task_of(door, agreed)["status"], request_of(world).state) == ("cancelled", State.WITHDRAWN)
    assert agreed != waits
    assert notes(vendor) == 0


def test_who_said_no_and_why_completes_it(door, world, vendor):
    task, bob = begun(door)["taskId"], make_member(world.tenant, Role.OPERATOR, name="bob")
    with acting_as(bob):
        reject(request_of(world), principal=acting_principal(bob.id), reason="Not during payroll", by=bob.actor)

    over = task_of(door, task)

    assert (over["status"], over["result"]["isError"]) == ("completed", True)
    assert refusal(over["result"])["code"] == "approval_rejected"
    assert "Not during payroll" in over["result"]["content"][0]["text"]
    assert notes(vendor) == 0


def test_what_the_policy_refuses_by_then_is_void(door, world, vendor):
    task = approved(door, world)
    with world.tenant.acting():
        ToolRule.objects.create(position=1, name="No notes", effect="refuse", tool=ADD)

    over = task_of(door, task)

    assert refusal(over["result"])["code"] == "approval_void"
    assert "No notes" in over["result"]["content"][0]["text"]
    assert (notes(vendor), request_of(world).state) == (0, State.FAILED)


def test_a_call_that_takes_long_becomes_a_task_and_its_answer_is_kept(door, world, vendor, settings, monkeypatch):
    """The gateway's side here waits less long for a vendor that is slower than what the broker calls long."""
    vendor.behave("slow", delay=kept.LONG.total_seconds() + 1)
    settings.MSPLEX_PROCESS = "gateway"
    settings.REDIS_URL = stack_redis()
    monkeypatch.setattr(handlers, "LONG_SECONDS", 1.0)
    line._client.cache_clear()

    async def call():
        replies = Replies()
        async with replies.running():
            return await Handlers(replies).call(caller_of(door), LIST, {"limit": 1}, Told(takes_tasks=True))

    made = in_a_thread(lambda: asyncio.run(call()))
    line._client.cache_clear()
    over = ended(door, made["taskId"])

    assert (made["resultType"], made["statusMessage"]) == ("task", "The call takes long, and goes on.")
    assert over["result"]["structuredContent"]["count"] == 1
    with world.tenant.acting():
        assert str(KeptAnswer.objects.get().call_id) == made["taskId"]


def test_a_call_that_was_answered_at_once_keeps_nothing(door, world):
    answer = door.call(LIST, limit=1)
    call = answer["_meta"]["io.msplex/call_id"]

    with world.tenant.acting():
        assert not KeptAnswer.objects.exists()
    assert refusal(task_of(door, call)["result"])["code"] == "already_done"


def test_who_may_not_act_any_more_asks_for_nothing(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])
    task = begun(door)["taskId"]
    caller = caller_of(door)
    with world.tenant.acting():
        from identity.models import Principal  # noqa: PLC0415

        Principal.objects.filter(id=caller.claims.principal_id).update(disabled_at=datetime.now(UTC))

    assert asked(door, "tasks/get", task).status_code == 401


def caller_of(door: Door) -> Caller:
    return Caller(read_access_token(door.token, audience=settings.GATEWAY_RESOURCE))


def test_a_task_is_there_as_long_as_it_says_and_no_longer(door, world, monkeypatch):
    task = begun(door)["taskId"]
    assert tasks_found.find(caller_of(door), task) is not None
    monkeypatch.setattr(tasks_found, "KEPT", timedelta(0))

    assert tasks_found.find(caller_of(door), task) is None


def test_what_is_kept_is_sealed_for_its_call_and_forgotten_after_a_day(door, world):
    task = approved(door, world)
    ended(door, task)
    with world.tenant.acting():
        row = KeptAnswer.objects.get()
        call = ToolCall.objects.get(id=row.call_id)
        assert kept.answer_of(call)
        assert NOTE["note"].encode() not in bytes(row.sealed)
        call.principal_id = world.tenant.id
        assert kept.answer_of(call) is None, "not for another principal"
    with as_role("worker"), world.tenant.acting():
        kept.forget_answers(datetime.now(UTC) + kept.KEPT - timedelta(minutes=1))
        assert KeptAnswer.objects.exists()
        kept.forget_answers(datetime.now(UTC) + kept.KEPT + timedelta(minutes=1))
        assert not KeptAnswer.objects.exists()
    over = task_of(door, task)

    assert (over["status"], refusal(over["result"])["code"]) == ("completed", "already_done")


@contextmanager
def nobody_answers(waiter):
    """The gateway's side alone, whose broker does not answer in time."""

    async def wait(*_):
        raise NoReply

    yield Handlers(SimpleNamespace(waiter=waiter, wait=wait))


def test_a_queued_call_of_a_task_is_not_sent_once_it_is_cancelled(world, door, settings):
    """With a queue that nobody reads."""
    settings.MSPLEX_PROCESS = "gateway"
    caller, waiter = caller_of(door), Waiter("nobody", b"x" * 32)
    with nobody_answers(waiter) as side:
        made = in_a_thread(lambda: asyncio.run(side.call(caller, LIST, {"limit": 1}, Told(takes_tasks=True))))
    found = tasks_found.find(caller, made["taskId"])
    assert (made["resultType"], found.message) == ("task", "Waits in line for the broker.")
    other = caller_of(agent(door.url, world, world.tenant.customers[0]))
    of_agent = replace(caller, claims=replace(caller.claims, agent_session_id=uuid4()))
    assert tasks_found.find(other, made["taskId"]) is None
    assert tasks_found.cancel(other, made["taskId"]) is False
    with world.tenant.acting():
        assert tasks_found._call(of_agent, UUID(made["taskId"])) is None

    assert tasks_found.cancel(caller, made["taskId"]) is True

    assert tasks_found.find(caller, made["taskId"]).status == "cancelled"
    with world.tenant.acting():
        assert ToolCall.objects.values_list("state", "code").get() == ("refused", "cancelled")


def test_a_call_that_reads_a_refusal_is_no_task(world, door):
    begun_ = begin_call(caller_of(door), LIST, {"customer": "nobody"}, Waiter("nobody", b"x" * 32))

    assert tasks_found.waiting(begun_) is None
    assert tasks_found.find(caller_of(door), str(begun_.call_id)) is None
