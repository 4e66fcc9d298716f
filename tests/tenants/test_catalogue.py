"""What only the database knows: every table stands behind both walls, or on a short list with a reason."""

from typing import Any

import pytest
from django.db import connection

ROLES = ("msplex_app", "msplex_worker", "msplex_broker", "msplex_sealer", "msplex_provider")

# Neither tenant's nor provider's: the framework's own, the same for everybody, with nothing of a tenant in them.
FRAMEWORK = {
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
}

TENANT_POLICY = "(tenant_id = ( SELECT msplex.tenant() AS tenant))"


@pytest.fixture(autouse=True)
def _as_owner_of_nothing():
    """The catalogue is readable by every role; nothing here needs a tenant."""


def rows(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall()


def tenant_tables() -> list[tuple[int, str]]:
    found = rows(
        "SELECT c.oid, c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relnamespace = 'content'::regnamespace ORDER BY c.relname"
    )
    return [(oid, name) for oid, name in found if name not in FRAMEWORK]


def test_there_are_tables_to_look_at():
    assert len(tenant_tables()) > 10


def test_row_security_is_on_and_forced_everywhere():
    bare = rows(
        "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relnamespace = 'content'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
    )
    assert {name for (name,) in bare} <= FRAMEWORK


def test_each_table_has_exactly_one_permissive_policy_and_it_is_the_tenants():
    for oid, name in tenant_tables():
        permissive = rows(
            "SELECT pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), polcmd, polroles"
            " FROM pg_policy WHERE polrelid = %s AND polpermissive",
            oid,
        )
        assert permissive == [(TENANT_POLICY, None, "*", [0])], name


def test_each_table_has_the_customers_policies_or_may_not_be_written():
    for oid, name in tenant_tables():
        restrictive = rows(
            "SELECT polcmd, coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))"
            " FROM pg_policy WHERE polrelid = %s AND NOT polpermissive",
            oid,
        )
        assert all("msplex.all_customers()" in condition for _, condition in restrictive), name
        held = {command for command, _ in restrictive}
        writable = rows(
            "SELECT r FROM unnest(%s::text[]) r WHERE has_any_column_privilege(r, %s::oid, 'INSERT, UPDATE')"
            " OR has_table_privilege(r, %s::oid, 'INSERT, UPDATE, DELETE')",
            list(ROLES),
            oid,
            oid,
        )
        assert "*" in held or {"a", "w", "d"} <= held or not writable, name


def test_a_table_with_a_customer_column_is_held_to_it():
    """Or is the staff's alone. A dependent row without the check would open every customer's to each."""
    for oid, name in tenant_tables():
        if not rows("SELECT 1 FROM pg_attribute WHERE attrelid = %s AND attname = 'customer_id'", oid):
            continue
        conditions = rows(
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = %s AND NOT polpermissive"
            " AND polcmd IN ('*', 'r')",
            oid,
        )
        assert len(conditions) == 1, name
        condition = conditions[0][0]
        staff_only = condition == "( SELECT msplex.all_customers() AS all_customers)"
        own = "msplex.principal()" in condition
        assert staff_only or own or ("customer_id = ANY" in condition and "msplex.customers()" in condition), name


def test_indexes_start_with_the_tenant():
    """An index that does not would count other tenants' rows in EXPLAIN ANALYZE; a unique one would tell of them."""
    wrong = rows(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
        " WHERE c.relforcerowsecurity AND a.attname <> 'tenant_id'"
    )
    assert wrong == []


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
    from django.apps import apps  # noqa: PLC0415

    from tenants.isolation.models import TenantKey, TenantModel  # noqa: PLC0415

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


def test_nothing_else_is_readable():
    """Views, materialized views, foreign tables and sequences of ours: none."""
    others = rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('content', 'provider', 'border', 'msplex', 'public')"
        " AND c.relkind IN ('v', 'm', 'f', 'S') AND c.relname NOT LIKE 'django_%' AND c.relname NOT LIKE 'auth_%'"
    )
    assert others == []


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
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace IN"
        " ('msplex'::regnamespace, 'border'::regnamespace, 'content'::regnamespace)"
        " AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)"
    )
    assert opened == []


APPEND_ONLY = {"audit_event", "billing_usageevent"}


def test_what_happened_cannot_be_changed_or_removed():
    changed = rows(
        "SELECT c.relname, r FROM pg_class c, unnest(%s::text[]) r WHERE c.relname = ANY (%s)"
        " AND (has_table_privilege(r, c.oid, 'UPDATE, DELETE') OR has_any_column_privilege(r, c.oid, 'UPDATE'))",
        list(ROLES),
        sorted(APPEND_ONLY),
    )
    assert changed == []
