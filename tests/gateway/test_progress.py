"""What a client that asked for progress is told, on the stream of its request; and one that did not, is not."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from approvals.models import ApprovalRequest
from connectors.models import ToolCall
from connectors.telling import listening, tell_page, tell_request
from identity.roles import Role
from msplex import replies, telling
from tenants.ids import uuid7
from tests.approvals.asking import approve
from tests.connectors.factories import connect
from tests.gateway.door import agent, refusal
from tests.identity.factories import make_member

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
ADD, NOTE, LIST = "halopsa_add_note", {"ticket_id": 11003, "note": "canary-5511"}, "halopsa_list_tickets"
SENT = "Sent to the vendor."


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def streamed(answer: httpx2.Response):
    """The notifications, and the result at their end."""
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    said = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    *told, last = said
    assert {each["method"] for each in told} == {"notifications/progress"}
    assert {each["params"]["progressToken"] for each in told} == {"tok"}
    assert [each["params"]["progress"] for each in told] == list(range(1, len(told) + 1))
    return [each["params"]["message"] for each in told], last["result"]


def asked(door, name, **arguments):
    body = {"name": name, "arguments": arguments}
    return streamed(door.post_with({"progressToken": "tok"}, "tools/call", body))


def test_a_call_says_that_it_waits_and_when_it_was_sent(door, world):
    told, result = asked(door, LIST, limit=1)

    assert told[:2] == ["Waits in line.", SENT]
    assert result["structuredContent"]["count"] == 1


def test_the_pages_that_are_read_are_counted(door, vendor):
    vendor.behave("mix")

    told, result = asked(door, LIST, limit=1)

    assert "Read page 1 of at most 5." in told
    assert result["isError"] is False


def test_the_handshake_revisions_are_told_as_well(door):
    headers = {
        "Authorization": f"Bearer {door.token}", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
    }  # fmt: skip
    params = {"name": LIST, "arguments": {"limit": 1}, "_meta": {"progressToken": "tok"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    with httpx2.Client(trust_env=False, timeout=60) as http:
        told, result = streamed(http.post(door.url, json=body, headers=headers))

    assert told[:2] == ["Waits in line.", SENT]
    assert result["structuredContent"]["count"] == 1


def test_who_asks_for_nothing_is_answered_in_one_piece_and_the_broker_says_nothing(door, world):
    answer = door.post("tools/call", {"name": LIST, "arguments": {"limit": 1}})

    assert answer.headers["content-type"] == "application/json"
    with world.tenant.acting():
        assert not ToolCall.objects.get().reply_to.endswith(telling.MARK)


def test_while_people_decide_it_is_said_how_many_have_and_then_it_runs(door, world):
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(asked, door, ADD, **NOTE)
        with world.tenant.acting():
            deadline = time.monotonic() + 15
            while not ApprovalRequest.objects.exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            request = ApprovalRequest.objects.get()
        assert approve(make_member(world.tenant, Role.ADMIN), request)
        told, result = asking.result()

    assert told[0] == "Waits for people: 0 of 1 approvals."
    assert told[-1] == SENT or SENT in told
    assert result["isError"] is False
    assert NOTE["note"] not in json.dumps(told)


def test_who_waits_in_vain_is_refused_with_the_request(door, world):
    told, result = asked(door, ADD, **NOTE)

    assert told == ["Waits for people: 0 of 1 approvals."]
    assert refusal(result)["code"] == "approval_required"


def call_of(reply_to: str) -> ToolCall:
    key = replies.X25519PrivateKey.generate().public_key().public_bytes_raw()
    return ToolCall(id=uuid7(), tenant_id=uuid7(), reply_to=reply_to, reply_key=key)


def test_what_is_said_is_sealed_for_who_waits_and_bounded(monkeypatch):
    sent = []
    monkeypatch.setattr(replies, "deliver", sent.append)
    with telling.telling(call_of(telling.marked("gateway"))):
        for number in range(1, 80):
            tell_request(number)

    assert len(sent) == telling.MOST
    assert {each.channel for each in sent} == {"msplex:reply:gateway~"}
    assert not any(b"vendor" in each.sealed for each in sent)


@pytest.mark.parametrize("reply_to", ["gateway", ""])
def test_of_a_call_whose_client_did_not_ask_nothing_is_said(monkeypatch, reply_to):
    sent = []
    monkeypatch.setattr(replies, "deliver", sent.append)
    with telling.telling(call_of(reply_to)):
        tell_request(1)
        tell_page(1, 5)

    assert sent == []


def test_who_does_not_listen_any_more_is_not_told():
    heard = []
    with listening(heard.append):
        tell_page(2, 5)
    tell_page(3, 5)

    assert heard == ["Read page 2 of at most 5."]
