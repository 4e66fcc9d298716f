"""Ten million usage events of one tenant rolled up: how long, in how much memory, and what a second run costs."""

import os
from pathlib import Path
from typing import Any

import psycopg

from msplex.runtime.bench import cpu
from msplex.runtime.bench.rolling import roll
from msplex.runtime.bench.sealing import database_of
from msplex.runtime.world import World

EVENTS, CUSTOMERS, CONNECTORS, DAYS = 10_000_000, 50, 4, 30
LATE = 1_000  # recorded afterwards, in hours that were rolled up already
_CUSTOMERS = """
INSERT INTO content.tenants_customer (tenant_id, id, name, key, status, created_at, domains)
SELECT %(tenant)s, md5('customer' || i)::uuid, 'Customer ' || i, 'bench-' || i, 'active', now(), '[]'
FROM generate_series(1, %(customers)s) AS i
"""
_PARTITION = """
DO $$ DECLARE month date := (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date; BEGIN
    EXECUTE format('CREATE TABLE IF NOT EXISTS content.%I PARTITION OF content.billing_usageevent'
        ' FOR VALUES FROM (%L) TO (%L)', 'billing_usageevent' || to_char(month, '_YYYY_MM'),
        border.month_floor(month), border.month_floor((month + interval '1 month')::date));
END $$
"""
# As calls leave them, in working hours more than at night; recorded when they happened, or at `recorded`.
_FILL = """
INSERT INTO content.billing_usageevent (tenant_id, id, customer_id, occurred_at, connector, tool, principal_id,
    quantity, vendor_requests, egress_bytes, ai_calls, recorded_at)
SELECT %(tenant)s, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8'
        || substr(h, 4, 15))::uuid, md5('customer' || (1 + floor(r * r * %(customers)s))::int)::uuid, at,
    'connector' || (r2 * r2 * %(connectors)s)::int, 'list_tickets', md5('principal' || (r * 40)::int)::uuid,
    1, 1 + (r2 * 3)::int, (500 + r * 9000)::int, (r2 < 0.4)::int, coalesce(%(recorded)s::timestamptz, at)
FROM (SELECT i, now() - make_interval(secs => (1 - i::float8 / %(events)s) * %(days)s * 86400 + 7200) AS at,
        md5(random()::text) AS h, random() AS r, random() AS r2 FROM generate_series(1, %(events)s) AS i) AS made
"""


def rollup(world: World) -> dict[str, Any]:
    of = {"customers": CUSTOMERS, "connectors": CONNECTORS, "days": DAYS, "recorded": None}
    with database_of(world) as database:
        found = database.execute("SELECT id FROM provider.tenant ORDER BY id LIMIT 1").fetchone()
        tenant: Any = found[0] if found else None
        of["tenant"] = tenant
        database.execute("SET session_replication_role = replica")
        database.execute(_CUSTOMERS.encode(), of)
        database.execute(_PARTITION.encode())
        figures: dict[str, Any] = {"events": EVENTS}
        for part in (10, 1):
            database.execute("DELETE FROM content.billing_usagerollup")
            database.execute("DELETE FROM content.billing_rollupmark")
            database.execute("TRUNCATE content.billing_usageevent")
            _filled(database, of, EVENTS // part)
            figures["all" if part == 1 else "a_tenth"] = _rolled(world, tenant, EVENTS // part)
        figures["rollup_rows"] = _count(database, "billing_usagerollup")
        figures["again"] = roll(world, tenant)
        database.execute(_FILL.encode(), of | {"events": LATE, "days": 1, "recorded": "now"})
        figures["after_1000_more"] = roll(world, tenant)
        figures["same"] = _same(database)
    return figures


def _filled(database: "psycopg.Connection[Any]", of: dict[str, Any], events: int) -> None:
    database.execute(_FILL.encode(), of | {"events": events})
    database.execute("VACUUM ANALYZE content.billing_usageevent")


def _rolled(world: World, tenant: Any, events: int) -> dict[str, Any]:
    """`cpu_seconds`: of the rollup and of PostgreSQL for it. Unlike the time, they do not wait for others."""
    before, figures = _spent(world), roll(world, tenant)
    spent = round(_spent(world) - before + figures["cpu_seconds"], 1)
    return figures | {"cpu_seconds": spent, "events_per_second": round(events / figures["seconds"])}


def _spent(world: World) -> float:
    """Of everything that runs, and of PostgreSQL's processes that have ended."""
    fields = Path(f"/proc/{world.supervisor.servers.postgres.pid}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return sum(cpu.spent(world).values()) + ended


def _count(database: "psycopg.Connection[Any]", table: str) -> int:
    row = database.execute(f"SELECT count(*) FROM content.{table}".encode()).fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def _same(database: "psycopg.Connection[Any]") -> bool:
    """Days, hours and events tell the same number of calls and bytes."""
    said = [
        database.execute(
            "SELECT sum(quantity) FILTER (WHERE meter = 'tool_calls'), sum(quantity) FILTER (WHERE meter ="
            " 'egress_bytes') FROM content.billing_usagerollup WHERE grain = %s",
            [grain],
        ).fetchone()
        for grain in ("hour", "day")
    ]
    events = database.execute("SELECT sum(quantity), sum(egress_bytes) FROM content.billing_usageevent").fetchone()
    return said[0] == said[1] == events
