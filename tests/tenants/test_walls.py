"""The two walls, attacked as SQL over the application's own role."""

from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from psycopg import Cursor

from tenants.isolation.context import Context, acting_for
from tenants.models import Customer, Entitlement
from tests.factories import TenantWorld, make_tenant


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def globex() -> TenantWorld:
    return make_tenant("globex")


def run(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall() if cursor.description else []


def test_without_context_every_table_is_loud(acme):
    with transaction.atomic(), pytest.raises(DatabaseError, match="no tenant context"):
        Customer._base_manager.count()


def test_without_context_the_manager_is_loud_before_any_sql(acme):
    with pytest.raises(LookupError, match="no tenant context"):
        Customer.objects.exists()


def test_a_context_outside_a_transaction_does_not_count(acme):
    with acting_for(Context(acme.id)), pytest.raises(DatabaseError, match="no tenant context"):
        Customer.objects.count()


@pytest.mark.parametrize(
    "attack",
    [
        "SELECT id FROM tenants_customer WHERE true OR tenant_id = '{other}'",
        "SELECT id FROM tenants_customer WHERE name = '' UNION SELECT id FROM tenants_customer",
        "SELECT c.id FROM tenants_customer c JOIN tenants_tenant t ON true OR t.id = '{other}'",
        "SELECT id FROM tenants_customer WHERE tenant_id = '{other}'",
        "WITH x AS (SELECT id FROM tenants_customer) SELECT id FROM x",
        "SELECT id FROM ONLY tenants_customer FOR UPDATE",
    ],
)
def test_injected_sql_reaches_only_the_own_tenant(acme, globex, attack):
    with acme.acting():
        rows = run(attack.format(other=globex.id))
    assert {row[0] for row in rows} <= {customer.id for customer in acme.customers}


def test_a_stacked_statement_has_no_context(acme):
    """Without parameters psycopg would send both; after the COMMIT nobody is acted for."""
    with (
        connection.cursor() as cursor,
        acting_for(Context(acme.id)),
        pytest.raises(psycopg.Error, match="no tenant context"),
    ):
        Cursor(cursor.connection.connection).execute(b"SELECT 1; COMMIT; SELECT count(*) FROM tenants_customer")
    connection.close()


def test_a_statement_with_parameters_cannot_be_stacked(acme):
    with acme.acting(), pytest.raises(DatabaseError, match="multiple commands"), transaction.atomic():
        run("SELECT %s::int; SELECT 2", 1)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM msplex.context_key",
        "COPY msplex.context_key TO STDOUT",
        "TABLE msplex.context_key",
        "SET ROLE msplex_owner",
        "SET ROLE msplex_keeper",
        "SET SESSION AUTHORIZATION msplex_owner",
        "ALTER TABLE tenants_customer DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenants_customer NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON tenants_customer",
        "CREATE POLICY open ON tenants_customer USING (true)",
        "CREATE TABLE loot (id int)",
        "CREATE TABLE public.loot (id int)",
        "CREATE TEMPORARY TABLE loot (id int)",
        "CREATE FUNCTION msplex.tenant2() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN PERFORM 1; END $$",
        "TRUNCATE tenants_customer",
        "SELECT lo_create(0)",
        "SELECT pg_read_file('postgresql.conf')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_terminate_backend(1)",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM provider.tenant",
        "SELECT * FROM border.directory",
        "INSERT INTO tenants_revision (tenant_id, id, number) VALUES (msplex.tenant(), msplex.tenant(), 9)",
        "UPDATE tenants_revision SET number = 9",
        "SELECT border.active_tenants()",
    ],
)
def test_the_application_may_not(acme, statement):
    """By code, not by words: 15 and 18 do not say all of it alike."""
    with acme.acting(), pytest.raises(DatabaseError) as refused, transaction.atomic():
        run(statement)

    assert refused.value.__cause__.sqlstate == "42501"  # insufficient privilege


def test_turning_row_security_off_makes_queries_fail_not_open(acme):
    with acme.acting(), transaction.atomic():
        run("SET LOCAL row_security = off")
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            Customer._base_manager.count()
        run("SET LOCAL row_security = on")


@pytest.mark.parametrize("statement", ["RESET ROLE", "RESET SESSION AUTHORIZATION"])
def test_resetting_the_role_changes_nothing(acme, statement):
    with acme.acting():
        run(statement)
        assert run("SELECT current_user")[0][0] == "msplex_app"


def test_resetting_everything_loses_the_context(acme):
    with acme.acting():
        run("RESET msplex.context")
        with pytest.raises(DatabaseError, match="no tenant context"):
            Customer._base_manager.count()


def test_rows_cannot_be_made_for_or_moved_to_another_tenant(acme, globex):
    with acme.acting():
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            Customer._base_manager.create(tenant_id=globex.id, name="x", key="x")
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            Customer._base_manager.update(tenant_id=globex.id)
        assert Customer._base_manager.filter(tenant_id=globex.id).update(name="owned") == 0
    with globex.acting():
        assert not Customer.objects.filter(name="owned").exists()


def test_a_key_in_another_tenant_is_as_free_as_any(acme, globex):
    """The unique constraint starts with the tenant: it is no oracle for what others call their customers."""
    with globex.acting():
        Customer.objects.create(name="Secret", key="secret-client")
    with acme.acting():
        Customer.objects.create(name="Ours", key="secret-client")
    with acme.acting(), pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.create(name="Twice", key="secret-client")


def test_a_reference_to_another_tenants_row_fails_like_one_to_nothing(acme, globex):
    from audit.actors import system  # noqa: PLC0415
    from audit.errors import AuditUnavailable  # noqa: PLC0415
    from audit.kinds import EventKind  # noqa: PLC0415
    from audit.services import record  # noqa: PLC0415
    from tenants.ids import uuid7  # noqa: PLC0415

    said = []
    for customer in (globex.customers[0].id, uuid7()):
        with acme.acting(), pytest.raises(AuditUnavailable) as refused, transaction.atomic():
            record(EventKind.TENANT_CREATED, actor=system("test"), customer_id=customer)
        said.append(str(refused.value.__cause__).replace(str(customer), "-"))
    assert said[0] == said[1]
    assert "foreign key" in said[0]


def test_a_customers_context_sees_only_that_customer(acme):
    with acme.acting(acme.customers[1]):
        assert list(Customer._base_manager.values_list("id", flat=True)) == [acme.customers[1].id]
    with acme.narrow():
        assert not Customer._base_manager.exists()


def test_a_customers_context_may_not_write_what_is_the_tenants(acme):
    with acme.acting(acme.customers[0]), pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
        Entitlement._base_manager.create(connector="other", included_calls=1)
    with acme.acting(acme.customers[0]):
        assert Entitlement._base_manager.update(included_calls=999_999) == 0


def test_acting_for_a_second_tenant_at_once_is_an_error(acme, globex):
    with acme.acting(), pytest.raises(RuntimeError, match="another tenant"), acting_for(Context(globex.id)):
        pass


def test_a_policy_that_fails_closes_the_table(scratch_database):
    with scratch_database("app"):
        acme = make_tenant("acme")
    with scratch_database("migrator"), connection.cursor() as cursor:
        cursor.execute("SET ROLE msplex_owner")
        cursor.execute("DROP POLICY tenant ON tenants_customer")
    with scratch_database("app"), acme.acting():
        assert Customer._base_manager.count() == 0  # no permissive policy is no row
