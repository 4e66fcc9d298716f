"""Migration operations that put a table behind both walls. Written right after CreateModel; docs/isolation.md explains.

Every table is one of these kinds, by its `customer` argument:
STAFF (the default), SHARED, NOTED, READ_ONLY, OPEN, the name of the column with the customer, own(column),
own_read(column), aimed(column), log(column).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunSQL

from tenants.isolation.context import Context, bind

STAFF = "staff"  # seen by contexts with every customer of the tenant
SHARED = "shared"  # read by every context of the tenant, written by those with every customer
READ_ONLY = "read only"  # read by every context, written by no role of ours (only by functions of the owner)
NOTED = "noted"  # added and read by every context, changed and removed by those with every customer; as OPEN otherwise
OPEN = (
    "open"  # read and written by every context: mechanics of the tenant, such as counters, with nothing of a customer
)

DEFAULT_GRANTS = {
    "app": "SELECT, INSERT, UPDATE, DELETE",
    "worker": "SELECT, INSERT, UPDATE, DELETE",
    "broker": "SELECT",
}
_ALL = "(SELECT msplex.all_customers())"
_SCOPE = "ANY ((SELECT msplex.customers())::uuid[])"


@dataclasses.dataclass(frozen=True, slots=True)
class own:  # noqa: N801 - reads as a word in a migration
    """Rows whose column is the context's principal; every row for contexts with every customer."""

    column: str


@dataclasses.dataclass(frozen=True, slots=True)
class own_read:  # noqa: N801
    """Rows that a principal reads, its own, and never writes: only a context with every customer does."""

    column: str


@dataclasses.dataclass(frozen=True, slots=True)
class aimed:  # noqa: N801
    """Rows about every customer (none is named), or about one: read where that one is in scope, written as SHARED."""

    column: str


@dataclasses.dataclass(frozen=True, slots=True)
class log:  # noqa: N801
    """Rows may be added without a customer or with one in scope, and are read when theirs is in scope.

    `beside`: a column that the index of a customer's rows has as well, where lists are narrowed by both.
    """

    column: str
    beside: str = ""


Kind = str | own | own_read | aimed | log

_WRITTEN_BY_TENANT = tuple(
    (f"customer_{command.lower()}", f"{command} {clause}", _ALL)
    for command, clause in (("INSERT", "WITH CHECK"), ("UPDATE", "USING"), ("DELETE", "USING"))
)


_OF_KIND = {
    STAFF: (("customer", "ALL USING", _ALL),),
    SHARED: _WRITTEN_BY_TENANT,
    NOTED: _WRITTEN_BY_TENANT[1:],
    READ_ONLY: (),
    OPEN: (("customer", "ALL USING", f"{_ALL} IS NOT NULL"),),
}


def _customer_policies(kind: Kind) -> Iterator[tuple[str, str, str]]:
    """Name, command with clause, condition: what restricts a context that does not have every customer."""
    match kind:
        case "staff" | "shared" | "noted" | "read only" | "open":
            yield from _OF_KIND[kind]
        case own(column):
            yield (
                "customer",
                "ALL USING",
                f'{_ALL} OR "{column}" = (SELECT msplex.principal())',
            )
        case own_read(column):
            yield "customer_select", "SELECT USING", f'{_ALL} OR "{column}" = (SELECT msplex.principal())'
            yield from _WRITTEN_BY_TENANT
        case aimed(column):
            yield "customer_select", "SELECT USING", f'"{column}" IS NULL OR {_ALL} OR "{column}" = {_SCOPE}'
            yield from _WRITTEN_BY_TENANT
        case log(column=column):
            seen = f'{_ALL} OR "{column}" = {_SCOPE}'
            for command in "SELECT", "UPDATE", "DELETE":
                yield f"customer_{command.lower()}", f"{command} USING", seen
            yield (
                "customer_insert",
                "INSERT WITH CHECK",
                f'"{column}" IS NULL OR {seen}',
            )
        case str(column):
            yield "customer", "ALL USING", f'{_ALL} OR "{column}" = {_SCOPE}'


def _grants(table: str, grants: Mapping[str, str]) -> list[str]:
    return [f'GRANT {rights} ON "{table}" TO msplex_{role}' for role, rights in grants.items() if rights]


def tenant_table(table: str, *, customer: Kind = STAFF, grants: Mapping[str, str] | None = None) -> RunSQL:
    """Everything a tenant's table needs. `grants`: role to rights; what is not granted is refused, not open."""
    sql = [
        f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{table}_pkey", ADD PRIMARY KEY (tenant_id, id)',
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
        f'CREATE POLICY tenant ON "{table}" USING (tenant_id = (SELECT msplex.tenant()))',
    ]
    for name, command, condition in _customer_policies(customer):
        sql.append(f'CREATE POLICY {name} ON "{table}" AS RESTRICTIVE FOR {command} ({condition})')
    if isinstance(customer, str) and customer not in {
        STAFF,
        SHARED,
        NOTED,
        READ_ONLY,
        OPEN,
        "id",
    }:
        # What the keys of dependent rows refer to, and the index of a customer's lists.
        sql.append(f'ALTER TABLE "{table}" ADD UNIQUE (tenant_id, "{customer}", id)')
    elif isinstance(customer, log):
        beside = f', "{customer.beside}"' if customer.beside else ""
        sql.append(f'CREATE INDEX ON "{table}" (tenant_id, "{customer.column}", id{beside})')
    return RunSQL(
        [*sql, *_grants(table, DEFAULT_GRANTS if grants is None else grants)],
        RunSQL.noop,
    )


def tenant_fk(
    table: str,
    column: str,
    target: str,
    *,
    via: Sequence[str] = (),
    on_delete: str = "NO ACTION",
) -> RunSQL:
    """A key that cannot leave the tenant; via=["customer_id"]: nor the customer.

    on_delete="SET NULL" must name its column, or it would empty tenant_id too: 'SET NULL ("ticket_id")'.
    FORCE is lifted for the check of existing rows: under it the owner, who has no context, would see none of them.
    """
    own_columns = ", ".join(["tenant_id", *via, f'"{column}"'])
    other = ", ".join(["tenant_id", *via, "id"])
    name = f"{table}_{column}_fk"
    force = 'ALTER TABLE "{}" {} ROW LEVEL SECURITY'
    update = " ON UPDATE CASCADE" if via else ""
    key = f'FOREIGN KEY ({own_columns}) REFERENCES "{target}" ({other}) ON DELETE {on_delete}{update}'
    return RunSQL(
        [
            force.format(table, "NO FORCE"),
            force.format(target, "NO FORCE"),
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" {key} DEFERRABLE INITIALLY IMMEDIATE',
            force.format(table, "FORCE"),
            force.format(target, "FORCE"),
        ],
        f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
    )


def versioned_table(table: str) -> RunSQL:
    """Any change of it moves the tenant's revision, by which snapshots for decisions are cached."""
    return RunSQL(
        f'CREATE TRIGGER revision AFTER INSERT OR UPDATE OR DELETE ON "{table}"'
        " FOR EACH STATEMENT EXECUTE FUNCTION border.bump_revision()",
        f'DROP TRIGGER revision ON "{table}"',
    )


def partitioned_table(table: str) -> RunSQL:
    """Turn a table just created into one partitioned by month: ranges of its UUIDv7 `id`. Before tenant_table().

    Indexes and constraints of the model come after it, as operations of their own.
    """
    return RunSQL(
        [
            f'ALTER TABLE "{table}" RENAME TO "{table}_plain"',
            f'CREATE TABLE "{table}" (LIKE "{table}_plain" INCLUDING DEFAULTS) PARTITION BY RANGE (id)',
            f'DROP TABLE "{table}_plain"',
            "SELECT border.make_partitions(3)",
        ],
        RunSQL.noop,
    )


def each_tenant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> Iterator[object]:  # noqa: ARG001
    """For RunPython: one tenant after the other, as the owner. Pass .using(alias) to every query."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM provider.tenant")
        tenants = [row[0] for row in cursor.fetchall()]
    for tenant in tenants:
        bind(connection, Context(tenant, alias=connection.alias))
        yield tenant
    bind(connection, None)
