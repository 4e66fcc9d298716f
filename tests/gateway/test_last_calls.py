"""The last included call is had once, however many ask for it at once; and what is not sent is not counted."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from django.conf import settings

from billing.models import QuotaCounter
from connectors.models import ToolCall
from identity.tokens import read_access_token
from msplex.decision.verdicts import Decision
from msplex.dispatch import line
from msplex.gateway import calls
from msplex.gateway.callers import Caller, Waiter
from msplex.gateway.calls import begin_call
from tenants.models import Entitlement
from tests.connectors.factories import connect
from tests.identity.factories import make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
NOBODY = Waiter("nobody", b"x" * 32)


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def caller(world) -> Caller:
    token = make_machine(world.tenant, customers=world.tenant.customers[:1]).token()
    return Caller(read_access_token(token, audience=settings.GATEWAY_RESOURCE), "127.0.0.1")


def begin(caller: Caller) -> Decision:
    return begin_call(caller, "halopsa_list_tickets", {"limit": 1}, NOBODY).decision


def included(world, number: int, *, overage: bool = False) -> None:
    with world.tenant.acting():
        Entitlement.objects.update(included_calls=number, overage_allowed=overage)


def reserved(world) -> tuple[int, Counter[str]]:
    """Counted calls of the month, and the states of those on record."""
    with world.tenant.acting():
        return QuotaCounter.objects.get().used, Counter(ToolCall.objects.values_list("state", flat=True))


def test_of_many_at_once_as_many_are_sent_as_are_included(world, caller):
    included(world, 7)

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: begin(caller), range(100)))

    assert sum(each.allowed for each in said) == 7
    assert {(each.gate, each.refusal.code) for each in said if each.refusal} == {("check_quota", "quota_exhausted")}
    assert reserved(world) == (7, {"queued": 7, "refused": 93})


def test_what_was_counted_since_the_decision_saw_it_counts(world, caller, monkeypatch):
    """As if somebody were faster each time."""
    monkeypatch.setattr(calls, "_used", lambda *_: 0)
    included(world, 2)

    said = [begin(caller) for _ in range(3)]

    assert [each.allowed for each in said] == [True, True, False]
    assert (said[2].gate, said[2].refusal.code) == ("check_quota", "quota_exhausted")
    assert reserved(world) == (2, {"queued": 2, "refused": 1})


def test_where_the_plan_allows_overage_nobody_is_refused_for_it(world, caller):
    included(world, 1, overage=True)

    assert [begin(caller).allowed for _ in range(3)] == [True] * 3
    assert reserved(world) == (3, {"queued": 3})


def test_what_has_no_place_in_the_line_is_refused_recorded_and_given_back(world, caller, monkeypatch):
    """Never taken and then forgotten."""
    included(world, 7)
    monkeypatch.setattr(line, "send", Mock(side_effect=line.LineFull))

    said = begin(caller)

    assert said.refusal is not None
    assert (said.gate, said.refusal.code, said.refusal.retryable) == ("dispatch", "busy", True)
    assert said.refusal.retry_after
    assert reserved(world) == (0, {"refused": 1})
