"""What decisions are made of is loaded once for all threads that need it at the same moment."""

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import uuid4

import pytest

from msplex.decision import snapshot
from msplex.decision.snapshot import snapshot_at
from tenants.isolation.context import Context


def loading(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[Context]:
    """Loads take so long; the list has one entry for each."""
    loads: list[Context] = []

    def load(context: Context) -> SimpleNamespace:
        loads.append(context)
        time.sleep(seconds)
        loaded = SimpleNamespace(revision=7)
        snapshot._cache.put(context, loaded)
        return loaded

    monkeypatch.setattr(snapshot, "_loaded", load)
    return loads


def ask_at_once(context: Context, threads: int) -> list[object]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda _: snapshot_at(context, 7), range(threads)))


def test_of_many_that_need_it_one_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = loading(monkeypatch, 0.3)

    found = ask_at_once(Context(uuid4()), 8)

    assert len(loads) == 1
    assert all(each is found[0] for each in found)


def test_nobody_waits_long_for_one_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = loading(monkeypatch, 1.0)
    monkeypatch.setattr(snapshot, "LOADING_SECONDS", 0.1)

    ask_at_once(Context(uuid4()), 2)

    assert len(loads) == 2


def test_another_customers_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, tenant = loading(monkeypatch, 0.0), uuid4()
    contexts = [Context(tenant), Context(tenant, ()), Context(tenant, (uuid4(),))]

    found = [snapshot_at(context, 7) for context in contexts]

    assert loads == contexts
    assert len({id(each) for each in found}) == 3
