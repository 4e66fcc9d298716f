"""What is away, locked or killed: nothing runs unrecorded or twice, and the caller is told in time and in our words."""

import contextlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import redis
from django.conf import settings

from audit.kinds import EventKind
from audit.models import Event
from billing.models import QuotaCounter
from connectors.models import ToolCall
from msplex.decision.verdicts import Gate
from msplex.dispatch import line
from msplex.gateway import auth
from msplex.gateway.callers import Waiter, see
from msplex.gateway.calls import NO_QUEUE, _not_sent, begin_call
from tests.conftest import as_owner, as_role, stack_redis
from tests.connectors.factories import connect
from tests.gateway.door import Door, agent, refusal
from tests.processes import Broker, gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def locked(table: str) -> contextlib.AbstractContextManager[None]:
    return as_owner(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


def recorded(world) -> int:
    with world.tenant.acting():
        return ToolCall.objects.count()


def waiting_messages() -> int:
    return int(redis.Redis.from_url(stack_redis()).xlen(line.STREAM))


def test_a_locked_log_is_told_of_within_two_seconds(door, world, vendor):
    door.call(LIST, limit=1)
    vendor.reset()
    with locked("audit_event"):
        began = time.monotonic()
        answer = door.call(LIST, limit=1)
        took = time.monotonic() - began

    assert refusal(answer)["code"] == "audit_unavailable"
    assert took < 2
    assert (vendor.seen()["total"], waiting_messages(), recorded(world)) == (0, 0, 1)


@pytest.mark.parametrize("limit", [1, 0], ids=["allowed", "refused"])
def test_what_the_gateway_cannot_record_does_not_reach_the_queue(door, world, vendor, limit):
    """The broker could still record, so it is the gateway's own order that keeps the call from running.

    Nor is a refusal half recorded: without its event there is no row of it either, and no other answer.
    """
    door.call(LIST, limit=1)
    vendor.reset()
    with as_owner("REVOKE INSERT ON audit_event FROM msplex_app", "GRANT INSERT ON audit_event TO msplex_app"):
        answer = door.call(LIST, limit=limit)

    assert refusal(answer)["code"] == "audit_unavailable"
    assert (vendor.seen()["total"], waiting_messages(), recorded(world)) == (0, 0, 1)


def test_a_crowd_before_a_locked_log_does_not_queue_up(door):
    """Each of eight has to wait for 0.5 s; who would have to wait for several rounds is told that it is busy."""
    door.call(LIST, limit=1)

    def one(_: int) -> str:
        answer = door.post("tools/call", {"name": LIST, "arguments": {"limit": 1}}).json()
        return refusal(answer.get("result") or answer["error"])["code"]

    with locked("audit_event"), ThreadPoolExecutor(64) as pool:
        codes = set(pool.map(one, range(64)))

    assert codes == {"audit_unavailable", "busy"}


LEGACY = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("leg", ["modern", "legacy"])
def test_a_database_that_does_not_answer_is_named_and_nothing_of_it_is_told(door, leg):
    headers = {**LEGACY, "Authorization": f"Bearer {door.token}"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with locked("identity_principal"):
        if leg == "modern":
            answer = door.post("tools/list", {})
        else:
            answer = httpx2.post(door.url, json=body, headers=headers, timeout=10)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], refusal(error)["code"]) == (503, 503, "unavailable")
    assert "lock" not in answer.text
    assert "psycopg" not in answer.text


def test_without_a_queue_a_call_is_refused_recorded_and_given_back(world, vendor):
    with gateway("redis://127.0.0.1:1") as url:
        answer = agent(url, world, world.tenant.customers[0]).call(LIST, limit=1)

    assert refusal(answer)["code"] == "busy"
    with world.tenant.acting():
        call = ToolCall.objects.get()
        assert (call.state, call.gate, call.code) == ("refused", "dispatch", "busy")
        assert QuotaCounter.objects.get().used == 0
        kinds = list(Event.objects.filter(subject_id=call.id).order_by("id").values_list("kind", flat=True))
    assert kinds == [EventKind.CALL_INTENDED, EventKind.CALL_REFUSED]
    assert vendor.seen()["total"] == 0


def caller_of(door: Door) -> auth.Caller:
    return auth.authenticate([(b"authorization", f"Bearer {door.token}".encode())], "192.0.2.1")


def test_a_message_that_did_arrive_is_not_said_to_be_lost(world):
    """Publishing can time out although the queue has the message; by then the broker may be at work."""
    door = agent("", world, world.tenant.customers[0])
    caller = caller_of(door)
    begun = begin_call(caller, LIST, {"limit": 1}, Waiter("nobody", b""))
    with as_role("broker"), world.tenant.acting():
        ToolCall.objects.filter(id=begun.call_id).update(state=ToolCall.State.RUNNING)

    with world.tenant.acting():
        call = ToolCall.objects.get()
    refused = begun.decision.refused_at(Gate.DISPATCH, NO_QUEUE)

    assert _not_sent(caller, see(caller), refused, call) is None
    with world.tenant.acting():
        assert ToolCall.objects.get().state == ToolCall.State.RUNNING
        assert QuotaCounter.objects.get().used == 1


def test_the_line_carries_the_id_and_a_signed_context(world):
    """This process's queue has no broker, so what the gateway sent can be looked at."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(line.STREAM, line.PLACED)
    begun = begin_call(
        caller_of(agent("", world, world.tenant.customers[0])), LIST, {"limit": 7}, Waiter("nobody", b"")
    )

    ((_, fields),) = client.xrange(line.STREAM)

    sent = json.loads(fields[b"message"])
    assert sent["call"] == str(begun.call_id)
    assert sent["header"]["context"][:2] == [str(world.tenant.id), [str(world.tenant.customers[0].id)]]
    assert set(sent) == {"call", "header"}
    assert set(sent["header"]) == {"context", "mac"}


def _is_at_the_vendor(world, vendor) -> bool:
    """This call, and not one that an earlier test has left on its way."""
    with world.tenant.acting():
        running = ToolCall.objects.filter(state=ToolCall.State.RUNNING).exists()
    return running and "/api/Tickets" in vendor.seen()["by_path"]


def test_a_broker_killed_in_a_call_leaves_an_unknown_outcome_and_no_second_request(
    door, world, vendor, broker_process: Broker
):
    door.call(LIST, limit=1)
    vendor.reset()
    vendor.behave("slow", delay=20)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(door.call, LIST, limit=1)
        while not _is_at_the_vendor(world, vendor):
            assert not answer.done(), answer.result()
            time.sleep(0.02)
        time.sleep(0.3)
        asked = vendor.seen()["by_path"]["/api/Tickets"]
        broker_process.kill()
        broker_process.start()

        assert refusal(answer.result())["code"] == "outcome_unknown"

    vendor.behave("honest")
    assert vendor.seen()["by_path"]["/api/Tickets"] == asked
    with world.tenant.acting():
        call = ToolCall.objects.order_by("-id").first()
        assert call.state == ToolCall.State.UNKNOWN
        assert Event.objects.filter(kind=EventKind.CALL_UNKNOWN, subject_id=call.id).count() == 1
    assert "structuredContent" in door.call(LIST, limit=1)


LEGACY = {"MCP-Protocol-Version": "2025-11-25"}
WAYS = [({}, {}), ({"io.msplex/reason": "Tests"}, {}), ({"progressToken": "tok"}, {}), ({"progressToken": 1}, LEGACY)]


@pytest.mark.parametrize(("meta", "headers"), WAYS, ids=["the short way", "the SDK's", "a stream", "before 2026"])
def test_what_was_not_sent_when_the_client_left_is_not_sent_after(
    door, world, vendor, broker_process: Broker, meta, headers
):
    door.call(LIST, limit=1)
    broker_process.stop()
    try:
        vendor.reset()
        with contextlib.suppress(httpx2.TimeoutException):
            door.post_with(meta, "tools/call", {"name": LIST, "arguments": {"limit": 1}}, timeout=1, **headers)
        wait_until(lambda: last_call(world).state == ToolCall.State.REFUSED)
    finally:
        broker_process.start()
    door.call(LIST, limit=2)

    with world.tenant.acting():
        left = ToolCall.objects.order_by("-id")[1]
        assert (left.state, left.code, left.gate) == ("refused", "cancelled", "dispatch")
        assert [each["code"] for each in left.verdicts if not each["ok"]] == ["cancelled"]
        assert QuotaCounter.objects.get().used == 2
    assert vendor.seen()["by_path"]["/api/Tickets"] == 1


def last_call(world) -> ToolCall:
    with world.tenant.acting():
        return ToolCall.objects.order_by("-id").first()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_client_that_leaves_does_not_take_the_outcome_with_it(door, world, vendor):
    door.call(LIST, limit=1)
    vendor.behave("slow", delay=1)
    with contextlib.suppress(httpx2.TimeoutException), httpx2.Client(timeout=0.5, trust_env=False) as impatient:
        _raw_call(impatient, door)
    vendor.behave("honest")

    for _ in range(600):
        with world.tenant.acting():
            call = ToolCall.objects.order_by("-id").first()
            if call.finished_at:
                break
        time.sleep(0.05)

    with world.tenant.acting():
        kinds = list(Event.objects.filter(subject_id=call.id).order_by("id").values_list("kind", flat=True))
    assert call.state == ToolCall.State.SUCCEEDED
    assert kinds == [EventKind.CALL_INTENDED, EventKind.CALL_FINISHED]


def _raw_call(client: httpx2.Client, door: Door) -> None:
    """Gone before the answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2, "Client", lambda **_: contextlib.nullcontext(client))
        door.call(LIST, limit=1)
