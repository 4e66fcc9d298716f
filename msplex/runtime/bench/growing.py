"""What a call costs while everything around it grows: other tenants, the tenant's own customers, its own log."""

import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from msplex.runtime.bench.calls import LIST, ROWS, mcp
from msplex.runtime.bench.measure import measure
from msplex.runtime.bench.sealing import database_of, drain
from msplex.runtime.bench.search import EVENTS, fill_log
from msplex.runtime.smoke.agent import Agent, claims_of
from msplex.runtime.world import World

TENANTS, CUSTOMERS = 10_000, 500
SECONDS = 6.0
_ACCOUNT = 1  # of the demo's first tenant: the one that serves one customer
# Every key begins with the tenant, so a copy of a tenant is its rows with another tenant in them.
_TABLES = (
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'content'::regnamespace AND c.relkind = 'r'"
    " AND NOT c.relispartition AND c.relname !~ '^audit_' AND EXISTS (SELECT FROM pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) ORDER BY 1"
)
_NEW = (
    "WITH new AS (INSERT INTO provider.tenant (id, name, active, opened) SELECT gen_random_uuid(), 'Copy ' || number,"
    " true, false FROM generate_series(1, %s) number RETURNING id) SELECT id INTO TEMP copies FROM new"
)
_COPY = (
    "INSERT INTO content.{table} SELECT (jsonb_populate_record(old, CASE WHEN old.id = old.tenant_id"
    " THEN jsonb_build_object('tenant_id', copies.id, 'id', copies.id)"
    " ELSE jsonb_build_object('tenant_id', copies.id) END)).* FROM content.{table} old CROSS JOIN copies"
    " WHERE old.tenant_id = %s"
)
_AT_REST = (
    "UPDATE content.connectors_connectorinstance SET state = 'inactive', check_asked_at = NULL"
    " WHERE tenant_id IN (SELECT id FROM copies)"
)
_CUSTOMERS = (
    "INSERT INTO content.tenants_customer SELECT (jsonb_populate_record(old, jsonb_build_object('id',"
    " gen_random_uuid(), 'key', 'more-' || number, 'name', 'More ' || number))).* FROM content.tenants_customer old"
    " CROSS JOIN generate_series(1, %(customers)s) number WHERE old.tenant_id = %(tenant)s AND old.id = (SELECT id FROM"
    " content.tenants_customer WHERE tenant_id = %(tenant)s LIMIT 1)"
)


def growth(world: World) -> dict[str, Any]:
    """The p50 of one client, each time against the one before anything grew."""
    tenant = UUID(claims_of(Agent(world, 0, _ACCOUNT))["tenant"])
    _measured(world)  # or the first would be slower for being the first
    small = _measured(world)
    figures: dict[str, Any] = {"small": small}
    steps: dict[str, Callable[[World, UUID], object]] = {
        f"{TENANTS}_tenants": add_tenants,
        f"{CUSTOMERS}_customers": add_customers,
        f"{EVENTS}_events": fill_log,
    }
    for name, grow in steps.items():
        grow(world, tenant)
        after = _measured(world)
        figures[name] = {**after, "p50_ratio": round(after["p50_ms"] / small["p50_ms"], 2)}
        print(name, figures[name], file=sys.stderr, flush=True)
    return figures


def _measured(world: World) -> dict[str, float]:
    drain(world)
    call = mcp(world, "tools/call", {"name": LIST, "arguments": {"limit": ROWS}}, result="structuredContent")
    return measure(call, clients=1, seconds=SECONDS)


def add_tenants(world: World, _: UUID | None = None) -> None:
    """As the administrator, past triggers; of the tenant that has least, with its connection switched off.

    A copied credential opens for nobody, so copies that are switched on would all fail and raise alerts.
    """
    with database_of(world) as database:
        database.execute("SET session_replication_role = replica")
        row = database.execute(
            "SELECT tenant_id FROM content.tenants_customer GROUP BY 1 ORDER BY count(*) LIMIT 1"
        ).fetchone()
        database.execute(_NEW, [TENANTS])
        for (table,) in database.execute(_TABLES).fetchall():
            database.execute(_COPY.format(table=table).encode(), row)
        database.execute(_AT_REST)
        database.execute("UPDATE provider.tenant SET opened = true")  # no sweep has come to half of one
        database.execute("VACUUM ANALYZE")


def add_customers(world: World, tenant: UUID) -> None:
    """With the tenant's revision, so that its snapshot is loaded anew."""
    with database_of(world) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(_CUSTOMERS, {"tenant": tenant, "customers": CUSTOMERS})
        database.execute("UPDATE content.tenants_revision SET number = number + 1 WHERE tenant_id = %s", [tenant])
