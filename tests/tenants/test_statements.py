"""Constant statements in signed transactions: as closed as the ORM, whole or not at all, and back by themselves."""

import os
import threading
from contextlib import suppress

import psycopg
import pytest
from django.db import DatabaseError, transaction

from msplex.runtime.processes import wait_until
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import columns, insertion, made, one, signed_reading, signed_transaction, values_of
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant
from tests.gateway.door import in_a_thread

_KEYS = "SELECT key FROM tenants_customer ORDER BY key"
_INSERT = insertion(Customer)


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


def keys(context: Context) -> list[str]:
    with signed_transaction(context) as db:
        found = db.ask(_KEYS)
    return [key for (key,) in found.fetchall()]


def new_customer(world: TenantWorld, key: str) -> Customer:
    return Customer(tenant_id=world.id, name=key, key=key)


def test_one_connection_serves_tenants_in_turn_and_mixes_none(acme):
    globex = make_tenant("globex")

    for _ in range(3):  # the second time with a prepared plan
        assert keys(Context(acme.id)) == ["acme-1", "acme-2", "acme-3"]
        assert keys(Context(globex.id)) == ["globex-1", "globex-2", "globex-3"]
        assert keys(Context(acme.id, (acme.customers[0].id,))) == ["acme-1"]
        assert keys(Context(acme.id, ())) == []


def test_an_exception_undoes_everything(acme):
    def add_and_fail() -> None:
        with signed_transaction(Context(acme.id)) as db:
            one(db.ask(_INSERT, *values_of(new_customer(acme, "late"))))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()

    assert "late" not in keys(Context(acme.id))


def test_an_error_that_nobody_read_is_not_a_commit(acme):
    def add_twice() -> None:
        with signed_transaction(Context(acme.id)) as db:
            for _ in range(2):
                db.ask(_INSERT, *values_of(new_customer(acme, "twice")))

    with pytest.raises(DatabaseError, match="duplicate key"):
        add_twice()

    assert "twice" not in keys(Context(acme.id))


def test_another_tenants_row_is_not_written(acme):
    globex = make_tenant("globex")

    def add() -> None:
        with signed_transaction(Context(acme.id)) as db:
            one(db.ask(_INSERT, *values_of(new_customer(globex, "planted"))))

    with pytest.raises(DatabaseError, match="row-level security"):
        add()


def test_a_connection_that_the_server_closed_is_replaced(acme):
    with signed_transaction(Context(acme.id)) as db:
        (pid,) = one(db.ask("SELECT pg_backend_pid()"))
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    assert keys(Context(acme.id)) == ["acme-1", "acme-2", "acme-3"]


@pytest.mark.parametrize("last", ["SELECT 1", "SELECT 1 / 0"])
def test_each_thread_has_its_own_and_it_ends_with_the_thread(acme, last):
    pids = []

    def work() -> None:
        with suppress(DatabaseError), signed_transaction(Context(acme.id)) as db:
            pids.append(one(db.ask("SELECT pg_backend_pid()"))[0])
            one(db.ask(last))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert len(set(pids)) == 2
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as admin:
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
        # A server's process ends a moment after its connection.
        assert wait_until(lambda: admin.execute(alive, [pids]).fetchone() == (0,), 10)


def test_it_needs_a_context_and_no_other_transaction(acme):
    with pytest.raises(LookupError), signed_transaction():
        pytest.fail("it opened")
    with pytest.raises(RuntimeError), transaction.atomic(), signed_transaction(Context(acme.id)):
        pytest.fail("it opened")
    with acting_for(Context(acme.id)), signed_transaction() as db:
        with pytest.raises(RuntimeError), signed_transaction():
            pytest.fail("it opened")
        assert one(db.ask("SELECT 1")) == (1,)


def test_a_reading_is_one_transaction_of_its_tenant_that_writes_nothing(acme):
    globex = make_tenant("globex")
    with signed_reading(Context(acme.id)) as db:
        stamps = [db.ask("SELECT transaction_timestamp(), pg_current_xact_id_if_assigned()") for _ in range(2)]
        found = db.ask(_KEYS)
    assert stamps[0].fetchall() == stamps[1].fetchall()
    assert [key for (key,) in found.fetchall()] == ["acme-1", "acme-2", "acme-3"]

    with pytest.raises(DatabaseError, match="read-only"), signed_reading(Context(acme.id)) as db:
        db.ask(_INSERT, *values_of(new_customer(acme, "read")))
    assert keys(Context(globex.id)) == ["globex-1", "globex-2", "globex-3"]
    assert "read" not in keys(Context(acme.id))


def test_only_what_may_be_gone_after_a_crash_does_not_wait_for_the_disk(acme):
    """The servers of the tests wait for nothing, so here is a connection that does."""
    said = []

    def ask() -> None:
        for lasting in (True, False, True):
            with signed_transaction(Context(acme.id), lasting=lasting) as db:
                said.append(one(db.ask("SELECT current_setting('synchronous_commit')"))[0])

    database = f'ALTER DATABASE "{os.environ["MSPLEX_TEST_DATABASE"]}"'
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"{database} SET synchronous_commit = local")
        in_a_thread(ask)
        admin.execute(f"{database} RESET synchronous_commit")
    assert said == ["local", "off", "local"]


def test_nothing_of_a_reading_stays_for_the_next_transaction(acme):
    with signed_reading(Context(acme.id)) as db:
        db.ask(_KEYS)
    with signed_transaction(Context(acme.id)) as db:
        assert one(db.ask(_INSERT, *values_of(new_customer(acme, "after")))) == (True,)


def test_no_plan_reads_a_whole_table(acme):
    """Not even where the planner thinks that it is small: it may have been when the plan was made, and is kept."""
    with signed_reading(Context(acme.id)) as db:  # two tables of which the planner has figures
        said = db.ask("EXPLAIN SELECT c.relname FROM pg_class c JOIN pg_type t ON t.oid = c.reltype")
    plan = "\n".join(line for (line,) in said.fetchall())
    assert "Index" in plan
    assert "Hash Join" not in plan
    assert "Merge Join" not in plan


def test_a_row_becomes_the_models_instance(acme):
    with signed_transaction(Context(acme.id)) as db:
        row = one(db.ask(f"SELECT {columns(Customer, 'c')} FROM tenants_customer c ORDER BY key LIMIT 1"))

    customer = made(Customer, row)
    with acme.acting():
        same = Customer.objects.get(id=customer.id)
        assert {**vars(customer), "_state": None} == {**vars(same), "_state": None}
        assert vars(customer._state) == vars(same._state)
        customer.save(update_fields=["key"])  # and not as a new one
