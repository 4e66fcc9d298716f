"""Tries are counted also while they are being forgiven."""

import os
import threading
import time
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from identity.models import Attempts
from identity.services.attempts import FREE, admit, forgive
from tests.factories import TenantWorld, make_tenant

WAITS_WITHIN = 10.0


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


def _counts(world: TenantWorld) -> list[int]:
    with world.acting():
        return list(Attempts.objects.values_list("count", flat=True))


class Knock(threading.Thread):
    """One try, in a transaction and on a connection of its own."""

    def __init__(self, world: TenantWorld) -> None:
        super().__init__()
        self.world, self.admitted, self.error = world, None, None

    def run(self) -> None:
        try:
            with self.world.acting():
                self.admitted = admit("password", "alice")
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            self.error = error
        finally:
            connection.close()


def _wait_until_somebody_waits_for_us() -> None:
    deadline, own = time.monotonic() + WAITS_WITHIN, connection.connection.info.backend_pid
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as server:
        while not server.execute(waiting, [own]).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_try_that_meets_forgiving_is_admitted_and_counted(acme: TenantWorld) -> None:
    with acme.acting():
        admit("password", "alice")
    knock = Knock(acme)

    with acme.acting():
        forgive("password", "alice")
        knock.start()
        _wait_until_somebody_waits_for_us()
    knock.join()

    assert (knock.error, knock.admitted) == (None, True)
    assert _counts(acme) == [1]


def test_tries_and_forgiving_at_once_never_fail(acme: TenantWorld) -> None:
    stop, errors = threading.Event(), []

    def loop(act) -> None:
        try:
            while not stop.is_set():
                with acme.acting():
                    act("password", "alice")
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=loop, args=(act,)) for act in (admit, admit, forgive)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()

    assert errors == []


def test_tries_at_the_same_moment_do_not_slip_through_together(
    acme: TenantWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = timezone.now()
    monkeypatch.setattr("identity.services.attempts.timezone", SimpleNamespace(now=lambda: moment))
    knocks = [Knock(acme) for _ in range(2 * FREE)]
    for knock in knocks:
        knock.start()
    for knock in knocks:
        knock.join()

    assert [knock.error for knock in knocks] == [None] * len(knocks)
    assert sum(bool(knock.admitted) for knock in knocks) == FREE
    assert _counts(acme) == [FREE]
