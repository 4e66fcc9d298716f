"""What only the database knows: every table stands behind both walls, or on a short list with a reason."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

from tenants.isolation.models import TenantKey, TenantModel
from tests.tenants.furnishing import as_administrator
from tests.tenants.kinds import KINDS, NOT_TENANTS

ROLES = ("msplex_app", "msplex_worker", "msplex_broker", "msplex_sealer", "msplex_provider")
TENANT_POLICY = "(tenant_id = ( SELECT msplex.tenant() AS tenant))"
TENANTS = (TENANT_POLICY, None, "*", ("",))
SURVEY = (
    "(( SELECT msplex.tenant() AS tenant) = '00000000-0000-0000-0000-000000000000'::uuid)",
    None, "r", ("msplex_owner",),
)  # fmt: skip
SURVEYED = {
    table
    for migration in ("0001_surveys", "0002_export_files")
    for table in import_module(f"msplex.migrations.{migration}").SURVEYED
}
# Every schema but PostgreSQL's own: a table in a new one is not overlooked.
OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def rows(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall()


def relations() -> list[tuple[int, str, str]]:
    """Whatever holds or shows rows, anywhere: id, schema and name, kind (pg_class.relkind)."""
    columns = "c.oid, n.nspname || '.' || c.relname, c.relkind"
    kinds = "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
    return rows(
        f"SELECT {columns} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND {kinds}"
    )


def tenant_tables() -> list[tuple[int, str]]:
    return [(oid, name.partition(".")[2]) for oid, name, _ in relations() if name not in NOT_TENANTS]


def strangers() -> list[str]:
    """What is neither a tenant's table nor on the list of those that are not."""
    known = {f"content.{table}" for table in KINDS} | set(NOT_TENANTS)
    return [name for _, name, kind in relations() if name not in known or kind not in {"r", "p"}]


def policies(oid: int) -> set[tuple[str, str]]:
    """The restrictive ones: command and condition, and the condition of what is written where that is another."""
    found = rows(
        "SELECT polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), polroles = '{0}'"
        " FROM pg_policy WHERE polrelid = %s AND NOT polpermissive",
        oid,
    )
    assert all(for_everybody for *_, for_everybody in found)
    conditions = {(command, seen or written) for command, seen, written, _ in found}
    return conditions | {(f"{command} check", written) for command, seen, written, _ in found if seen and written}


def test_every_table_of_the_database_is_a_tenants_or_listed_with_a_reason():
    assert strangers() == []
    assert {f"content.{table}" for table in KINDS} | set(NOT_TENANTS) == {name for _, name, _ in relations()}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.loot (id int)",
        "CREATE TABLE border.loot (id int)",
        "CREATE TABLE provider.loot (id int)",
        "CREATE TABLE msplex.loot (id int)",
        "CREATE TABLE content.loot (id int)",
        "CREATE SCHEMA elsewhere CREATE TABLE loot (id int)",
        "CREATE VIEW content.loot AS SELECT * FROM content.tenants_customer",
        "CREATE MATERIALIZED VIEW border.loot AS SELECT 1",
    ],
)
def test_a_new_table_is_noticed_wherever_it_is(statement):
    with as_administrator(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        found = strangers()
        transaction.set_rollback(True)

    assert [name.partition(".")[2] for name in found] == ["loot"]


def test_row_security_is_on_and_forced_everywhere():
    for oid, name in tenant_tables():
        assert rows("SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = %s", oid) == [(True,)], (
            name
        )


def permissive_policies(oid: int) -> set[tuple[str, str | None, str, tuple[str, ...]]]:
    """Condition for reading and for writing, command, and for whom; nobody's name stands for everybody."""
    found = rows(
        "SELECT pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), polcmd,"
        " ARRAY(SELECT CASE role WHEN 0 THEN '' ELSE role::regrole::text END FROM unnest(polroles) role)"
        " FROM pg_policy WHERE polrelid = %s AND polpermissive",
        oid,
    )
    return {(seen, written, command, tuple(roles)) for seen, written, command, roles in found}


def test_the_only_permissive_policy_of_a_role_of_ours_is_the_tenants():
    """What is surveyed has a second one, of the owner's: to read, in the context that is nobody's."""
    for oid, name in tenant_tables():
        assert permissive_policies(oid) == {TENANTS} | ({SURVEY} if name in SURVEYED else set()), name


def test_the_kind_of_every_table_is_the_one_that_is_written_down():
    """A table that is opened to every customer is opened in tests/tenants/kinds.py too, where a reviewer sees it."""
    for oid, name in tenant_tables():
        assert policies(oid) == set(KINDS[name].conditions), name


def test_what_customers_share_or_may_only_read_has_no_customer():
    """A dependent row without the check would open every customer's to each."""
    loose = {name for name, kind in KINDS.items() if kind.name in {"shared", "read only", "open"}}
    for oid, name in tenant_tables():
        with_customer = rows("SELECT 1 FROM pg_attribute WHERE attrelid = %s AND attname = 'customer_id'", oid)
        assert not (with_customer and name in loose), name


def test_what_every_context_may_read_is_written_by_none():
    for oid, name in tenant_tables():
        if KINDS[name].name != "read only":
            continue
        assert rows(
            "SELECT r FROM unnest(%s::text[]) r WHERE has_any_column_privilege(r, %s::oid, 'INSERT, UPDATE')"
            " OR has_table_privilege(r, %s::oid, 'INSERT, UPDATE, DELETE')",
            list(ROLES), oid, oid,
        ) == [], name  # fmt: skip


def loose_indexes() -> list[str]:
    """By what pg_get_indexdef says of the first column: an expression has no column number to go by."""
    return [
        name
        for (name,) in rows(
            "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " JOIN pg_class top ON top.oid = coalesce(pg_partition_root(c.oid), c.oid)"
            " WHERE top.relforcerowsecurity AND pg_get_indexdef(i.indexrelid, 1, true) <> 'tenant_id' ORDER BY 1"
        )
    ]


def test_indexes_start_with_the_tenant():
    """An index that does not would count other tenants' rows in EXPLAIN ANALYZE; a unique one would tell of them."""
    assert loose_indexes() == []


@pytest.mark.parametrize("columns", ["key", "key, tenant_id", "lower(key), tenant_id", "(tenant_id::text)"])
def test_an_index_that_starts_otherwise_is_noticed(columns):
    with as_administrator(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX loose ON content.tenants_customer ({columns})")
        found = loose_indexes()
        transaction.set_rollback(True)

    assert found == ["loose"]


def test_the_primary_key_is_the_tenant_and_the_id():
    for oid, name in tenant_tables():
        key = rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s AND contype = 'p'", oid)
        assert key == [("PRIMARY KEY (tenant_id, id)",)], name


def test_foreign_keys_cannot_leave_the_tenant():
    for oid, name in tenant_tables():
        keys = rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s AND contype = 'f'", oid)
        for (definition,) in keys:
            assert "FOREIGN KEY (tenant_id, " in definition, (name, definition)
            assert "(tenant_id, " in definition.partition("REFERENCES")[2], (name, definition)


def test_every_key_of_a_model_is_a_constraint():
    """TenantKey makes none itself: a migration that forgot tenant_fk() would leave a reference unchecked."""
    for model in apps.get_models():
        if not issubclass(model, TenantModel):
            continue
        table = f"content.{model._meta.db_table}"
        definitions = [
            definition
            for (definition,) in rows(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'",
                table,
            )
        ]
        for field in model._meta.local_fields:
            if isinstance(field, TenantKey):
                assert any(f"{field.column})" in d.partition("REFERENCES")[0] for d in definitions), field


def test_partitions_are_reached_through_their_table_alone():
    granted = rows(
        "SELECT c.relname, r FROM pg_class c, unnest(%s::text[]) r WHERE c.relispartition AND c.relkind = 'r'"
        " AND has_table_privilege(r, c.oid, 'SELECT, INSERT, UPDATE, DELETE')",
        list(ROLES),
    )
    assert granted == []


def test_there_are_no_sequences_but_the_frameworks():
    """A sequence tells every tenant how much the others have made."""
    own = rows(
        "SELECT n.nspname || '.' || t.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'"
        f" LEFT JOIN pg_class t ON t.oid = d.refobjid WHERE c.relkind = 'S' AND {OURS}"
    )
    assert {name for (name,) in own} <= set(NOT_TENANTS)


def test_the_provider_may_touch_no_tenants_table():
    granted = rows(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace IN ('content'::regnamespace, 'msplex'::regnamespace)"
        " AND c.relkind IN ('r', 'p')"
        " AND has_table_privilege('msplex_provider', c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
    )
    assert granted == []


def test_nobody_may_truncate_or_refer_or_hang_triggers():
    granted = rows(
        "SELECT c.relname, r FROM pg_class c, unnest(%s::text[]) r WHERE c.relnamespace = 'content'::regnamespace"
        " AND c.relkind IN ('r', 'p') AND has_table_privilege(r, c.oid, 'TRUNCATE, TRIGGER, REFERENCES')",
        list(ROLES),
    )
    assert granted == []


def test_nobody_may_create_anything():
    """Neither in a schema, where it would be found before ours, nor temporarily, nor a schema of their own."""
    in_schemas = rows(
        "SELECT n.nspname, r FROM pg_namespace n, unnest(%s::text[]) r WHERE has_schema_privilege(r, n.oid, 'CREATE')",
        list(ROLES),
    )
    in_database = rows(
        "SELECT r FROM unnest(%s::text[]) r WHERE has_database_privilege(r, current_database(), 'CREATE, TEMPORARY')",
        list(ROLES),
    )
    assert in_schemas == in_database == []


def test_roles_have_no_powers_of_their_own():
    strong = rows(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'msplex\\_%%' AND"
        " (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit)"
    )
    assert strong == []
    members = rows(
        "SELECT m.rolname, g.rolname FROM pg_auth_members x JOIN pg_roles m ON m.oid = x.member"
        " JOIN pg_roles g ON g.oid = x.roleid WHERE m.rolname LIKE 'msplex\\_%%'"
    )
    assert set(members) == {("msplex_migrator", "msplex_owner")}


def test_the_context_functions_are_stable_and_pinned():
    """IMMUTABLE would keep one tenant's id in a cached plan; an open search_path would let sha256() be replaced."""
    functions = rows("SELECT proname, provolatile, proconfig FROM pg_proc WHERE pronamespace = 'msplex'::regnamespace")
    assert {name for name, *_ in functions} == {"context", "tenant", "all_customers", "customers", "principal"}
    for name, volatility, config in functions:
        assert volatility == "s", name
        assert config == ["search_path=pg_catalog, pg_temp"], name


def test_definer_functions_are_ours_and_pinned():
    loose = rows(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND pronamespace <> 'pg_catalog'::regnamespace"
        " AND (proconfig IS NULL OR NOT 'search_path=pg_catalog, pg_temp' = ANY (proconfig)"
        " OR proowner::regrole::text NOT IN ('msplex_keeper', 'msplex_owner'))"
    )
    assert loose == []


def test_functions_are_not_open_to_everybody():
    """PUBLIC may run none of ours: a role gets what it is granted."""
    opened = rows(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        f" WHERE {OURS} AND a.grantee = 0"
    )
    assert opened == []


APPEND_ONLY = {
    "audit_checkpoint",
    "audit_checkpointsignature",
    "audit_epoch",
    "audit_event",
    "audit_leaf",
    "audit_tile",
    "billing_usageevent",
    "log_key",
}


def test_what_happened_cannot_be_changed_or_removed():
    changed = rows(
        "SELECT c.relname, r FROM pg_class c, unnest(%s::text[]) r WHERE c.relname = ANY (%s)"
        " AND (has_table_privilege(r, c.oid, 'UPDATE, DELETE') OR has_any_column_privilege(r, c.oid, 'UPDATE'))",
        list(ROLES),
        sorted(APPEND_ONLY),
    )
    assert changed == []
