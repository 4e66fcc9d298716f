"""What a refused caller gets: gate, code, a sentence, what helps and when; and nothing of what went wrong inside."""

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from mcp.shared.exceptions import MCPError

from msplex.decision.denials import DENIALS
from msplex.decision.verdicts import Code, Decision, Gate, Refusal, Resolved
from msplex.gateway import answers, handlers
from msplex.gateway.approving import UNTOLD
from msplex.gateway.callers import Caller, Waiter
from msplex.gateway.calls import Begun
from msplex.gateway.handlers import Handlers
from tests.gateway.door import in_a_thread, refusal

CALL = UUID(int=7)
BEGUN = Begun(CALL, UUID(int=8), Decision((), Resolved()))
CALLER = Caller(None)  # type: ignore[arg-type]
SAID = {"ok": False, "code": "vendor_throttled", "message": "Slower.", "retryable": True, "retry_after": 7}


def side(answer: Any = None) -> Handlers:
    """The gateway's handlers, to whom a broker answers so."""

    async def wait(*_: object) -> Any:
        return answer

    return Handlers(SimpleNamespace(waiter=Waiter("nobody", b""), wait=wait))  # type: ignore[arg-type]


def ran(work: Coroutine[Any, Any, Any]) -> Any:
    return in_a_thread(asyncio.run, work)


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize(("retryable", "after"), [(True, 5), (False, None)])
def test_each_refusal_of_a_call_says_gate_code_reason_remedy_and_whether_to_try_again(code, retryable, after):
    told = answers.failed(Gate.CHECK_QUOTA, Refusal(code, "Because.", retryable, after), BEGUN)

    later = {"retry_after": after} if after else {}
    assert refusal(told) == later | {
        "gate": "check_quota", "code": code, "retryable": retryable, "call_id": str(CALL),
        "remedy": DENIALS[code].remedy, "link": f"{settings.PUBLIC_URL}/calls/{CALL}/",
    }  # fmt: skip
    assert DENIALS[code].remedy
    assert told["content"] == [{"type": "text", "text": f"Because. [check_quota: {code}]"}]
    assert told["isError"] is True
    assert "structuredContent" not in told


def test_what_the_broker_says_of_a_call_that_failed_is_told_as_it_says_it():
    told = ran(side(SAID)._result(BEGUN, CALL, UNTOLD))

    envelope = refusal(told)
    assert (envelope["gate"], envelope["code"]) == ("execute", "vendor_throttled")
    assert (envelope["retryable"], envelope["retry_after"]) == (True, 7)
    assert told["content"][0]["text"].startswith("Slower. ")


@pytest.mark.parametrize(("broken", "ask"), [
    ("list_tools", lambda side: side.tools(CALLER)),
    ("begin_call", lambda side: side.call(CALLER, "halopsa_list_tickets", {})),
])  # fmt: skip
def test_a_fault_of_ours_is_an_error_without_what_went_wrong(monkeypatch, broken, ask):
    def fail(*_: object) -> None:
        raise RuntimeError("relation content.identity_principal")

    monkeypatch.setattr(handlers, broken, fail)

    with pytest.raises(MCPError) as caught:
        ran(ask(side()))

    assert (caught.value.error.code, caught.value.error.message) == (-32603, "Internal error")
    assert caught.value.error.data is None
