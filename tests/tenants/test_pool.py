"""What one user of a pooled connection left behind, and what the next user of the same session finds: nothing."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction

from tenants.isolation.context import Context, acting_for
from tenants.models import Customer
from tests.conftest import as_role, role_url
from tests.factories import TenantWorld, make_tenant

SLEEP = "SELECT pg_sleep(20)"
Leave = Callable[[TenantWorld], None]


@pytest.fixture(autouse=True)
def _pool() -> Iterator[None]:
    """One connection for everybody, so that whoever comes next gets exactly the session that was left."""
    with as_role("app", pool_size=1):
        yield


def rows(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall() if cursor.description else []


def backend() -> int:
    return rows("SELECT pg_backend_pid()")[0][0]


@contextlib.contextmanager
def admin() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as server:
        yield server


@contextlib.contextmanager
def meanwhile(function: str, pid: int) -> Iterator[None]:
    """Another connection does `function` to the backend as soon as its statement runs."""

    def strike() -> None:
        with admin() as server:
            running = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND wait_event = 'PgSleep'"
            deadline = time.monotonic() + 10
            while not server.execute(running, [pid]).fetchone() and time.monotonic() < deadline:
                time.sleep(0.01)
            server.execute(f"SELECT {function}(%s)".encode(), [pid])

    thread = threading.Thread(target=strike)
    thread.start()
    yield
    thread.join(10)


def an_exception(acme: TenantWorld) -> None:
    with pytest.raises(ZeroDivisionError), acme.acting():
        assert 1 / (Customer.objects.count() - len(acme.customers))


def a_refused_statement(acme: TenantWorld) -> None:
    with pytest.raises(DatabaseError, match="division"), acme.acting():
        rows("SELECT 1 / 0")


def a_statement_that_took_too_long(acme: TenantWorld) -> None:
    with acme.acting():
        rows("SET LOCAL statement_timeout = 50")
        with pytest.raises(DatabaseError, match="statement timeout"):
            rows(SLEEP)


def a_cancelled_statement(acme: TenantWorld) -> None:
    with pytest.raises(DatabaseError, match="user request"), acme.acting(), meanwhile("pg_cancel_backend", backend()):
        rows(SLEEP)


def a_transaction_left_open(acme: TenantWorld) -> None:
    """As when the thread of a request ends in the middle: the connection goes back with its transaction open."""
    with acting_for(Context(acme.id)):
        connection.set_autocommit(False)
        assert Customer.objects.count() == len(acme.customers)
        connection.close()


def a_cancelled_request(acme: TenantWorld) -> None:
    """The awaiting side goes away; the thread that works for it ends its transaction by itself, and gives back."""
    pooled, left, entered = connections["default"], threading.Event(), threading.Event()

    def work() -> None:
        # A wrapper belongs to its thread; the pool behind them is the same.
        connections["default"] = type(pooled)(pooled.settings_dict, pooled.alias)
        with acme.acting():
            Customer.objects.count()
            entered.set()
            left.wait(10)
        connection.close()

    async def request() -> None:
        task = asyncio.ensure_future(asyncio.to_thread(work))
        assert await asyncio.to_thread(entered.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left.set()

    with ThreadPoolExecutor(1) as elsewhere:  # a browser's event loop may be running in this thread
        elsewhere.submit(asyncio.run, request()).result()


def a_context_for_the_whole_session(acme: TenantWorld) -> None:
    with acme.acting():
        rows("SELECT set_config('msplex.context', current_setting('msplex.context'), false)")
    assert rows("SELECT count(*) FROM tenants_customer") == [(len(acme.customers),)]  # it is as valid as it looks


def a_prepared_statement(acme: TenantWorld) -> None:
    """Named as psycopg would name its own first one."""
    with acme.acting():
        rows("PREPARE _pg3_0 AS SELECT 'theirs'")


def a_search_path(acme: TenantWorld) -> None:
    with acme.acting():
        rows("SET search_path = pg_catalog")


def a_time_limit(acme: TenantWorld) -> None:
    with acme.acting():
        rows("SET statement_timeout = 1")


def no_row_security(acme: TenantWorld) -> None:
    with acme.acting():
        rows("SET row_security = off")


def a_cursor_with_rows(acme: TenantWorld) -> None:
    with acme.acting():
        rows("DECLARE loot SCROLL CURSOR WITH HOLD FOR SELECT name FROM tenants_customer")
    assert len(rows("FETCH ALL FROM loot")) == len(acme.customers)  # it outlives its transaction and its context
    rows("MOVE ABSOLUTE 0 IN loot")


def a_lock_and_an_ear(acme: TenantWorld) -> None:
    with acme.acting():
        rows("SELECT pg_advisory_lock(4711)")
        rows("LISTEN loot")


LEFT: list[Leave] = [
    an_exception,
    a_refused_statement,
    a_statement_that_took_too_long,
    a_cancelled_statement,
    a_transaction_left_open,
    a_cancelled_request,
    a_context_for_the_whole_session,
    a_prepared_statement,
    a_search_path,
    a_time_limit,
    no_row_security,
    a_cursor_with_rows,
    a_lock_and_an_ear,
]


def assert_nothing_is_left(globex: TenantWorld) -> None:
    """As somebody without a context, in and outside of a transaction, and then as another tenant."""
    with pytest.raises(DatabaseError, match="no tenant context"):
        Customer._base_manager.count()
    with pytest.raises(DatabaseError, match="no tenant context"), transaction.atomic():
        Customer._base_manager.count()
    with globex.acting():
        assert set(Customer._base_manager.values_list("id", flat=True)) == {each.id for each in globex.customers}
    assert rows("SELECT name FROM pg_prepared_statements") == rows("SELECT name FROM pg_cursors") == []
    assert rows("SELECT pg_listening_channels()") == []
    assert rows("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == []
    assert rows("SELECT name FROM pg_settings WHERE source = 'session'") == []


@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
def test_the_next_user_of_a_session_finds_nothing_of_the_last(leave: Leave):
    acme, globex = make_tenant("acme"), make_tenant("globex")
    session = backend()
    connection.close()
    leave(acme)
    connection.close()

    assert backend() == session  # or the test would have looked at another, fresh one
    assert_nothing_is_left(globex)


def test_a_killed_backend_takes_its_context_with_it():
    acme, globex = make_tenant("acme"), make_tenant("globex")
    session = backend()
    with pytest.raises(DatabaseError), acme.acting(), meanwhile("pg_terminate_backend", session):
        rows(SLEEP)
    connection.close()

    assert backend() != session
    assert_nothing_is_left(globex)


def test_a_connection_that_the_server_ended_at_rest_is_given_to_nobody():
    session = backend()
    connection.close()
    with admin() as server:
        server.execute("SELECT pg_terminate_backend(%s, 5000)", [session])

    assert backend() != session


def test_when_all_have_ended_the_first_who_asks_gets_one():
    """As after a restart of the server; the pool itself pauses for longer than anybody waits."""
    held, sessions = threading.Barrier(4), []
    with as_role("app", pool_size=4):
        pooled = connections["default"]

        def hold() -> None:
            connections["default"] = type(pooled)(pooled.settings_dict, pooled.alias)
            sessions.append(backend())
            held.wait(10)
            connection.close()

        threads = [threading.Thread(target=hold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with admin() as server:
            for session in sessions:
                server.execute("SELECT pg_terminate_backend(%s, 5000)", [session])

        assert len(set(sessions)) == 4
        assert backend() not in sessions


def test_a_transaction_without_a_context_ends_the_sessions_own():
    """Before the connection goes back: a SET that was not LOCAL outlives its transaction."""
    a_context_for_the_whole_session(make_tenant("acme"))

    with transaction.atomic(), pytest.raises(DatabaseError, match="no tenant context"):
        Customer._base_manager.count()


def test_a_context_is_for_the_connection_of_its_tenant_alone():
    """The provider's transactions inside a tenant's are not the tenant's."""
    acme = make_tenant("acme")
    provider = connections["provider"]
    with acting_for(Context(acme.id)), transaction.atomic(using="provider"), provider.cursor() as cursor:
        cursor.execute("SELECT current_setting('msplex.context', true)")
        assert cursor.fetchone() == ("",)


def test_the_owners_transactions_begin_without_a_context():
    """Migrations run so: as the migrator, who has become the owner, on an alias of its own."""
    from msplex import databases  # noqa: PLC0415

    url = role_url("msplex_migrator", os.environ["MSPLEX_TEST_DATABASE"])
    wrapper = type(connection._connections["default"])(connection.settings_dict | databases.migration(url), "migrate")
    connections["migrate"] = wrapper
    try:
        with transaction.atomic(using="migrate"), wrapper.cursor() as cursor:
            cursor.execute("SELECT current_user, current_setting('msplex.context', true)")
            assert cursor.fetchone() == ("msplex_owner", "")
    finally:
        wrapper.close()
        del connections["migrate"]
