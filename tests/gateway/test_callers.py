"""Who calls is settled by the token before anything of the request is read, and nothing beyond its reach is at hand."""

import asyncio
import dataclasses
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.conf import settings
from django.db.models import F

from approvals.models import ToolRule
from identity.models import AgentSession, Principal
from identity.tokens import read_access_token
from msplex.gateway import streams
from msplex.gateway.approving import Told
from msplex.gateway.callers import Caller, Waiter, see
from msplex.gateway.calls import begin_call
from msplex.gateway.handlers import Handlers
from msplex.gateway.handles import HandleRefused, seal, unseal
from msplex.gateway.replies import NoReply
from msplex.gateway.streams import Streams
from tests.connectors.factories import connect
from tests.gateway.asked import token_of
from tests.gateway.door import in_a_thread, refusal
from tests.identity.factories import make_machine
from tests.oauth.flow import bob

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def caller(world) -> Caller:
    """Bound to the first of three customers."""
    token = make_machine(world.tenant, customers=world.tenant.customers[:1]).token()
    return Caller(read_access_token(token, audience=settings.GATEWAY_RESOURCE), "127.0.0.1")


def test_what_is_decided_from_holds_no_customer_but_the_callers_own(world, caller):
    """Whatever the rest of the request says: the others are not even read."""
    own = world.tenant.customers[0].pk

    seen = see(caller)

    assert seen.context.customers == (own,)
    assert set(seen.snapshot.customers) == {own}
    assert seen.snapshot.mapped == {(world.instance.id, own)}


@pytest.mark.parametrize("change", [{"disabled_at": datetime.now(UTC)}, {"epoch": F("epoch") + 1}])
def test_each_sign_that_a_token_was_withdrawn_counts_by_itself(world, caller, change):
    with world.tenant.acting():
        Principal.objects.filter(id=caller.claims.principal_id).update(**change)

    assert see(caller).principal is None


PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("change", [{"ended_at": PAST}, {"expires_at": PAST}, {"epoch": F("epoch") + 1}])
def test_so_does_each_sign_that_an_agents_session_is_over(world, change):
    token = token_of(bob(world.tenant), world)
    agent = Caller(read_access_token(token, audience=settings.GATEWAY_RESOURCE), "127.0.0.1")
    before = see(agent).principal

    with world.tenant.acting():
        AgentSession.objects.filter(id=agent.claims.agent_session_id).update(**change)

    assert before is not None
    assert see(agent).principal is None


def test_a_token_counts_from_where_its_holder_may_act_and_from_nowhere_else(world, caller):
    with world.tenant.acting():
        Principal.objects.filter(id=caller.claims.principal_id).update(networks="192.0.2.0/24 198.51.100.7/32")

    at = {
        address: see(dataclasses.replace(caller, address=address)).principal
        for address in ("192.0.2.9", "203.0.113.1", "")
    }

    assert [address for address, principal in at.items() if principal] == ["192.0.2.9"]


def test_a_handle_is_for_its_caller_with_the_same_reach(caller):
    handle = seal("x", purpose="tests", caller=caller)
    others = [
        {"tenant_id": uuid4()}, {"principal_id": uuid4()}, {"agent_session_id": uuid4()}, {"customers": None},
        {"customers": (uuid4(),)},
    ]  # fmt: skip

    assert unseal(handle, purpose="tests", caller=caller) == "x"
    for change in others:
        other = dataclasses.replace(caller, claims=dataclasses.replace(caller.claims, **change))
        with pytest.raises(HandleRefused):
            unseal(handle, purpose="tests", caller=other)


def test_a_stream_ends_with_the_token_it_was_opened_with(caller, monkeypatch):
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    soon = dataclasses.replace(caller.claims, expires_at=time.time() + 0.1)
    closed: list[bool] = []

    async def names(_: Caller) -> tuple[str, ...]:
        return ("a",)

    async def watch() -> None:
        handler = SimpleNamespace(close=lambda: closed.append(True))
        watching = Streams(names)._watch(Caller(soon), ("a",), SimpleNamespace(), handler)  # type: ignore[arg-type]
        await asyncio.wait_for(watching, 20)

    in_a_thread(asyncio.run, watch())

    assert closed == [True]


def test_automation_says_yes_to_nothing_itself(world, caller):
    """Nobody stands behind it who could have been asked, whatever a request claims to have been answered."""
    with world.tenant.acting():
        ToolRule.objects.create(position=1, name="Ask", effect="confirm", tool=LIST)

    begun = begin_call(caller, LIST, {"limit": 1}, Waiter("nobody", b"x" * 32), Told(confirmed="confirmed:0"))

    assert begun.decision.refusal is not None
    assert begun.decision.refusal.code == "approval_required"


def test_who_is_not_answered_in_time_is_told_that_the_outcome_is_unknown(caller):
    """Not that it failed, nor to try again: the broker may be at it."""

    async def wait(*_: object) -> None:
        raise NoReply

    side = Handlers(SimpleNamespace(waiter=Waiter("nobody", b"x" * 32), wait=wait))  # type: ignore[arg-type]
    answer = in_a_thread(lambda: asyncio.run(side.call(caller, LIST, {"limit": 1})))

    told = refusal(answer)
    assert answer["isError"]
    assert (told["gate"], told["code"], told["retryable"]) == ("return_result", "outcome_unknown", False)
    assert told["call_id"]
