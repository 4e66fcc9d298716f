"""Every table, every command, every role of a running process, with no filter in the code: only the walls are left.

What is reached is compared with what the administrator, whom no policy holds, counts: exactly the tenant's own rows,
and for a customer's principal exactly those that the kind of the table gives it.
"""

import re
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.models import TenantModel
from tests.conftest import as_role
from tests.tenants import kinds
from tests.tenants.attacks import (
    COMMANDS,
    NO_RIGHT,
    ROLES,
    ROW_REFUSED,
    Reached,
    insert,
    put_in,
    reached,
    row_of,
    rows,
    undone,
)
from tests.tenants.furnishing import Furnished, as_administrator, furnish, tenant_models
from tests.tenants.kinds import DELETE, INSERT, KINDS, SELECT, UPDATE

TABLES = sorted(KINDS)
LETTERS = {"SELECT": (SELECT,), "UPDATE": (SELECT, UPDATE), "DELETE": (DELETE,)}
AIMED = kinds.aimed("customer_id")
# Rows of single customers beside rows for everybody, which are behind the tenant's wall alone. Nobody may remove one.
GENERAL = {"connectors_credential"}
MOVABLE = sorted(t for t, kind in KINDS.items() if "customer_id" in str(kind.conditions) and kind != AIMED)
OWN = {"identity_principal": "id", "identity_rolebinding": "principal_id", "identity_user": "id"}


@pytest.fixture(scope="module")
def worlds(_database: None) -> tuple[Furnished, Furnished]:
    return furnish("acme"), furnish("globex")


def of_its_customer(acme: Furnished) -> Context:
    """The context of a person of the first customer."""
    return Context(acme.id, (acme.customers[0].id,), acme.people[0])


def with_customers() -> set[str]:
    return {table for table in TABLES if customer_column(table)}


def customer_column(table: str) -> str | None:
    if table == "tenants_customer":
        return "id"
    model: type[TenantModel] = next(model for model in tenant_models() if model._meta.db_table == table)
    return next((field.column for field in model._meta.concrete_fields if field.column == "customer_id"), None)


def scope_of(narrow: Context) -> dict[str, UUID]:
    assert narrow.customers
    assert narrow.principal
    return {"customer": narrow.customers[0], "principal": narrow.principal}


def there_are(tenant: UUID, narrow: Context | None = None) -> Reached:
    """For the administrator: how many rows each command should reach."""
    found: Reached = {}
    for table in TABLES:
        for command in COMMANDS:
            conditions = ["tenant_id = %s"]
            if narrow:
                conditions += [KINDS[table].seen(letter, **scope_of(narrow)) for letter in LETTERS[command]]
            sql = f"SELECT count(*) FROM content.{table} WHERE {' AND '.join(conditions)}"
            found[table, command] = rows(sql, tenant)[0][0]
    return found


def granted(role: str, there: Reached) -> Reached:
    """Of what is there, what the role has a right to: with none it reaches nothing at all."""
    sql = (
        "SELECT has_any_column_privilege(%s, t, 'SELECT'), has_any_column_privilege(%s, t, 'UPDATE'),"
        " has_table_privilege(%s, t, 'DELETE') FROM (SELECT %s::regclass::oid AS t) AS it"
    )
    rights = {table: dict(zip(COMMANDS, rows(sql, *[f"msplex_{role}"] * 3, table)[0], strict=True)) for table in TABLES}
    return {(table, command): count for (table, command), count in there.items() if rights[table][command]}


def test_every_table_of_a_tenant_is_furnished(worlds):
    """A new model gets its row in furnishing.py, and its kind in kinds.py, or nothing below would try it."""
    with as_administrator():
        empty = [
            (world.world.name, model._meta.db_table)
            for world in worlds
            for model in tenant_models()
            if not rows(f"SELECT 1 FROM content.{model._meta.db_table} WHERE tenant_id = %s LIMIT 1", world.id)
        ]

    assert empty == []
    assert {model._meta.db_table for model in tenant_models()} == set(KINDS)


def test_every_table_with_a_customer_has_rows_of_two(worlds):
    with as_administrator():
        for world in worlds:
            for table in with_customers():
                column = customer_column(table)
                found = rows(f"SELECT DISTINCT {column} FROM content.{table} WHERE tenant_id = %s", world.id)
                assert {each.id for each in world.customers[:2]} <= {row[0] for row in found}, table


@pytest.mark.parametrize("role", ROLES)
def test_every_manager_replaced_by_a_plain_one_reaches_the_tenants_rows_and_no_other(worlds, role):
    acme, globex = worlds
    with as_administrator():
        own, foreign = there_are(acme.id), there_are(globex.id)
    with as_role(role):
        found = reached(Context(acme.id))
        assert found == granted(role, own)
    assert all(foreign[place] for place in found)  # there was something to find


@pytest.mark.parametrize("role", ROLES)
def test_a_customers_principal_reaches_what_the_kind_of_the_table_gives_it(worlds, role):
    acme, _ = worlds
    narrow = of_its_customer(acme)
    with as_administrator():
        wide, expected = there_are(acme.id), there_are(acme.id, narrow)
    with as_role(role):
        found = reached(narrow)
        assert found == granted(role, expected)
    assert all(wide[place] > expected[place] for place in found if place[0] in with_customers())


@pytest.mark.parametrize("role", ROLES)
def test_somebody_without_customers_reaches_none_of_theirs(worlds, role):
    acme, _ = worlds
    with as_role(role):
        found = reached(Context(acme.id, (), uuid7()))

    closed = {
        table for table, kind in KINDS.items() if kind not in {kinds.SHARED, kinds.NOTED, kinds.READ_ONLY, kinds.OPEN}
    } - GENERAL
    assert {place: count for place, count in found.items() if place[0] in closed and count} == {}


@pytest.mark.parametrize("role", [*ROLES, "migrator"])
def test_without_a_context_every_command_on_every_table_is_loud(worlds, role):
    """For the owner too, which the migrator becomes: an error, never an empty result."""
    with as_role(role), connection.cursor() as cursor:
        cursor.execute("SET ROLE msplex_owner" if role == "migrator" else "SELECT 1")
        for table in TABLES:
            for sql in f"SELECT count(*) FROM {table}", f"UPDATE {table} SET id = id", f"DELETE FROM {table}":
                with transaction.atomic(), pytest.raises(DatabaseError, match=f"{NO_RIGHT}|no tenant context"):
                    cursor.execute(sql)


@pytest.mark.parametrize("table", TABLES)
def test_no_role_puts_a_row_into_another_tenant(worlds, table):
    acme, globex = worlds
    with as_administrator():
        theirs = row_of(table, globex.id) | {"id": str(uuid7())}

    assert said_to(theirs, table, Context(acme.id)) <= {NO_RIGHT, ROW_REFUSED}


@pytest.mark.parametrize(
    "table", [table for table in TABLES if KINDS[table] not in {kinds.NOTED, kinds.OPEN, kinds.READ_ONLY}]
)
def test_no_principal_of_a_customer_puts_in_a_row_that_is_not_its_customers(worlds, table):
    """Of the other customer, of somebody else, of the tenant: all but what is open, or nobody's to write."""
    acme, _ = worlds
    narrow = of_its_customer(acme)
    kind = KINDS[table]
    condition = f"NOT {kind.seen(INSERT, **scope_of(narrow))}"
    if (seen := kind.seen(SELECT, **scope_of(narrow))) != "true":
        condition += f" AND NOT {seen}"  # nor one's own, which a new id would make one's customer's
    with as_administrator():
        others = row_of(table, acme.id, condition)
    if others["id"] != others["tenant_id"] and table != "tenants_customer":
        others |= {"id": str(uuid7())}

    assert said_to(others, table, narrow) <= {NO_RIGHT, ROW_REFUSED}


@pytest.mark.parametrize("table", MOVABLE)
def test_no_principal_of_a_customer_moves_a_row_to_another(worlds, table):
    acme, _ = worlds
    column = customer_column(table)
    sql = f"UPDATE {table} SET {column} = %s WHERE {column} = %s"
    for role in ROLES:
        refused = pytest.raises(DatabaseError, match=f"{NO_RIGHT}|{ROW_REFUSED}")
        with as_role(role), acting_for(of_its_customer(acme)), refused, undone():
            rows(sql, acme.customers[1].id, acme.customers[0].id)


@pytest.mark.parametrize(
    "table", sorted(table for table, kind in KINDS.items() if kind == AIMED and table not in GENERAL)
)
def test_a_customers_principal_reads_what_is_for_everybody_and_changes_none_of_it(worlds, table):
    acme, globex = worlds
    narrow = of_its_customer(acme)
    with as_administrator():
        general = row_of(table, acme.id) | {"id": str(uuid7()), "customer_id": None, "position": 99}
    with as_role("app"):
        with acting_for(Context(acme.id)), transaction.atomic():
            put_in(table, general)
        with acting_for(narrow), undone():
            seen = {row[0] for row in rows(f"SELECT customer_id FROM {table}")}
            touched = rows(f"UPDATE {table} SET name = 'x' RETURNING id"), rows(f"DELETE FROM {table} RETURNING id")
        with acting_for(Context(globex.id)), undone():
            assert None not in {row[0] for row in rows(f"SELECT customer_id FROM {table}")}
        with acting_for(Context(acme.id)), transaction.atomic():
            assert rows(f"DELETE FROM {table} WHERE id = %s RETURNING true", general["id"]) == [(True,)]

    assert seen == {None, acme.customers[0].id}
    assert touched == ([], [])


@pytest.mark.parametrize("table", sorted(GENERAL))
def test_of_rows_beside_those_for_everybody_a_customers_principal_sees_its_own(worlds, table):
    acme, _ = worlds
    for role in ROLES:
        with as_role(role), acting_for(of_its_customer(acme)), undone():
            try:
                seen = {row[0] for row in rows(f"SELECT customer_id FROM {table}")}
            except DatabaseError as error:
                assert NO_RIGHT in str(error)  # noqa: PT017 - a role that may not look at all
            else:
                assert seen == {None, acme.customers[0].id}


@pytest.mark.parametrize("table", OWN)
def test_no_principal_of_a_customer_moves_itself_to_another(worlds, table):
    """Its own row alone, where everybody's own row can be written."""
    acme, _ = worlds
    sql = f"UPDATE {table} SET customer_id = %s WHERE {OWN[table]} = %s RETURNING true"
    moved = {}
    for role in ROLES:
        try:
            with as_role(role), acting_for(of_its_customer(acme)), undone():
                moved[role] = rows(sql, acme.customers[1].id, acme.people[0])
        except DatabaseError as error:
            assert re.search(f"{NO_RIGHT}|{ROW_REFUSED}", str(error))  # noqa: PT017 - or it moves nothing, without a word

    assert {role: count for role, count in moved.items() if count} == {}


def said_to(row: dict[str, Any], table: str, context: Context) -> set[str]:
    """What the database answered each role that tried to insert it; "done" where it did."""
    answers = set()
    for role in ROLES:
        with as_role(role), acting_for(context):
            error = str(insert(table, row) or "done")
        answers.add(next((said for said in (NO_RIGHT, ROW_REFUSED) if said in error), error))
    return answers


def test_the_customer_layer_lost_does_not_open_the_tenant_layer(scratch_database):
    """Every restrictive policy dropped: a customer's principal reaches the whole tenant, and nothing of another."""
    acme, globex = scratched(scratch_database, "DROP POLICY {policy} ON content.{table}", permissive=False)
    with as_administrator(scratch_database.name):
        own, foreign = there_are(acme.id), there_are(globex.id)
        theirs = {table: row_of(table, globex.id) | {"id": str(uuid7())} for table in TABLES}
    for role in ROLES:
        with as_role(role, scratch_database.name):
            found = reached(of_its_customer(acme))
            assert found == granted(role, own), role
            assert all(foreign[place] for place in found)
            with acting_for(of_its_customer(acme)):
                said = {table: str(insert(table, row)) for table, row in theirs.items()}
            assert {
                table for table, error in said.items() if not re.search(f"{NO_RIGHT}|{ROW_REFUSED}", error)
            } == set()


def test_the_tenant_layer_lost_does_not_open_the_customer_layer(scratch_database):
    """Every tenant policy opened: what belongs to a customer, or to a person, is still theirs alone."""
    opened = "ALTER POLICY {policy} ON content.{table} USING (true)"
    acme, globex = scratched(scratch_database, opened, permissive=True)
    narrow = of_its_customer(acme)
    with as_administrator(scratch_database.name):
        of_customers = {
            place: count
            for place, count in there_are(acme.id, narrow).items()
            if place[0] in with_customers() - GENERAL
        }
        foreign = there_are(globex.id)
    for role in ROLES:
        with as_role(role, scratch_database.name):
            there = with_customers() - GENERAL
            found = {place: count for place, count in reached(narrow).items() if place[0] in there}
            assert found == granted(role, of_customers), role
            assert all(foreign[place] for place in found)


def scratched(scratch_database: Any, statement: str, *, permissive: bool) -> tuple[Furnished, Furnished]:
    """Two furnished tenants in a database of their own, where the statement is done to every such policy."""
    with scratch_database("app"):
        worlds = furnish("acme", scratch_database.name), furnish("globex", scratch_database.name)
    with as_administrator(scratch_database.name):
        found = rows(
            "SELECT polname, relname FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE polpermissive = %s",
            permissive,
        )
        for policy, table in found:
            rows(statement.format(policy=policy, table=table))
    assert len(found) >= len(KINDS)
    return worlds
