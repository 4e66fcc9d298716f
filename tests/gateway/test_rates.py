"""How fast calls may come is one limit for a tenant and one for a customer, however many processes ask."""

import subprocess
import sys
import threading
import time
from itertools import repeat
from types import SimpleNamespace
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from msplex import rates
from msplex.rates import Bucket
from tenants.models import Customer, Entitlement
from tests.processes import ROOT, environment

PROCESSES, ASKED, A_MINUTE, BURST, PLENTY = 4, 25, 60, 10, 60_000
PROGRAM = f"""
import sys, django
django.setup()
from msplex import rates
from tenants.models import Customer, Entitlement
_, tenant, customer, of_plan, of_customer = sys.argv
given = Entitlement(tenant_id=tenant, connector="halopsa", calls_per_minute=int(of_plan))
limited = Customer(tenant_id=tenant, id=customer, calls_per_minute=int(of_customer))
print(sum(rates.take([rates.of_plan(given), rates.of_customer(limited)]) is None for _ in range({ASKED})))
"""


@pytest.mark.parametrize("limits", [(A_MINUTE, PLENTY), (PLENTY, A_MINUTE)], ids=["of the plan", "of the customer"])
def test_four_processes_let_through_what_one_would(limits: tuple[int, int]) -> None:
    """A limiter of each process's own would let 40 through at once. What time adds is one a second."""
    asked, began = [str(uuid4()), str(uuid4()), *map(str, limits)], time.monotonic()
    given = environment("gateway", "app") | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *asked], cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    through = sum(int(each.communicate(timeout=120)[0]) for each in running)

    assert BURST <= through <= BURST + (time.monotonic() - began) * A_MINUTE / 60 + 1


@pytest.fixture
def slow() -> Bucket:
    """One call, and the next one in a minute: no test lasts that long."""
    return Bucket(f"msplex:rate:{{{uuid4()}}}:slow", 1)


@pytest.fixture
def fast() -> Bucket:
    """A thousand a second would come back while a test looks; so it is held still."""
    return Bucket(f"msplex:rate:{{{uuid4()}}}:fast", 6)


def tokens(bucket: Bucket) -> float | None:
    kept = redis.Redis.from_url(settings.REDIS_URL).hget(bucket.key, "tokens")
    return None if kept is None else float(kept)


def test_a_call_that_one_bucket_refuses_takes_nothing_of_the_other(slow: Bucket, fast: Bucket) -> None:
    assert rates.take([slow]) is None
    assert tokens(slow) == 0

    for order in ([slow, fast], [fast, slow]):
        waits = rates.take(order)
        assert waits is not None
        assert waits[order.index(fast)] == 0
        assert 50 < waits[order.index(slow)] <= 60
        assert tokens(fast) is None
        assert tokens(slow) == 0


def test_what_is_given_back_is_what_was_taken(slow: Bucket, fast: Bucket) -> None:
    assert rates.take([slow, fast]) is None
    rates.give_back([slow, fast])

    assert (tokens(slow), tokens(fast)) == (1, 1)
    assert rates.take([slow, fast]) is None
    assert rates.take([slow, fast]) is not None


def test_giving_back_makes_no_bucket_larger_than_its_burst(slow: Bucket) -> None:
    assert rates.take([slow]) is None
    for _ in range(5):
        rates.give_back([slow])

    assert [rates.take([slow]) is None for _ in range(3)] == [True, False, False]


def test_of_thirty_two_at_once_as_many_get_through_as_there_are_tokens() -> None:
    bucket = Bucket(f"msplex:rate:{{{uuid4()}}}:many", 30)  # five at once, the next one in two seconds
    through: list[bool] = []
    threads = [threading.Thread(target=lambda: through.append(rates.take([bucket]) is None)) for _ in range(32)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(through) == 32
    assert 5 <= sum(through) <= 5 + (time.monotonic() - began) / 2 + 1


def test_a_limit_that_changes_holds_from_the_next_call_on() -> None:
    given = Entitlement(tenant_id=uuid4(), connector="halopsa", calls_per_minute=PLENTY)
    customer = Customer(tenant_id=given.tenant_id, id=uuid4(), calls_per_minute=None)
    assert rates.of_customer(customer) is None

    customer.calls_per_minute = 1
    limited = [rates.of_plan(given), rates.of_customer(customer)]
    assert [rates.take(each) is None for each in repeat(limited, 2)] == [True, False]
    customer.calls_per_minute = None
    assert rates.take([rates.of_plan(given)]) is None


def test_nothing_is_asked_for_a_call_that_is_refused_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "client", SimpleNamespace)  # whoever asks it anything fails

    assert rates.take([]) is None
    rates.give_back([])
