"""Search of the audit log among millions of events: a page of the API for each filter, and for pairs of them."""

import contextlib
import hashlib
import statistics
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg

from msplex.runtime.smoke.agent import Agent, claims_of
from msplex.runtime.world import World

EVENTS, MONTHS = 5_000_000, 6
ROUNDS = 20  # of each filter, each with another value where there is one
_OK = 200
# Half a year of one tenant: 60 actors, 100 customers, 8 connections, 40 tools, most of it calls, few of it rare.
_PARTITION = """
DO $$ DECLARE month date; BEGIN
    FOR back IN 1..{months} LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => back))::date;
        EXECUTE format('CREATE TABLE IF NOT EXISTS content.%I PARTITION OF content.audit_event'
            ' FOR VALUES FROM (%L) TO (%L)', 'audit_event' || to_char(month, '_YYYY_MM'),
            border.month_floor(month), border.month_floor((month + interval '1 month')::date));
    END LOOP;
END $$
"""
_FILL = """
INSERT INTO content.audit_event (tenant_id, id, occurred_at, kind, result, actor_kind, actor_id, customer_id,
    subject_kind, subject_id, request_id, call_id, instance_id, tool, header, body, writer, boot, n, mac)
SELECT %(tenant)s, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8'
        || substr(h, 4, 15))::uuid, at,
    CASE WHEN r < 0.30 THEN 'gateway:call:intend' WHEN r < 0.59 THEN 'gateway:call:finish'
         WHEN r < 0.62 THEN 'gateway:call:refuse' WHEN r < 0.92 THEN 'connectors:credential:open'
         WHEN r < 0.97 THEN 'identity:token:issue' WHEN r < 0.99 THEN 'identity:session:create'
         WHEN r < 0.999 THEN 'identity:role:bind' WHEN r < 0.9999 THEN 'connectors:instance:configure'
         ELSE 'gateway:call:lose' END,
    CASE WHEN r BETWEEN 0.59 AND 0.62 THEN 'refused' WHEN r2 < 0.01 THEN 'failed' ELSE 'ok' END,
    'agent', md5('actor' || (r3 * r3 * 60)::int)::uuid,
    CASE WHEN r < 0.92 THEN md5('customer' || (r4 * r4 * 100)::int)::uuid END,
    'tool_call', md5('call' || i / 4)::uuid, md5('request' || i / 4),
    CASE WHEN r < 0.92 THEN md5('call' || i / 4)::uuid END,
    CASE WHEN r < 0.92 THEN md5('instance' || (r5 * r5 * 8)::int)::uuid END,
    CASE WHEN r < 0.92 THEN 'tool_' || (r5 * r3 * 40)::int ELSE '' END,
    convert_to('{"actor":{"id":null,"kind":"agent"},"pad":"' || repeat('h', 200) || '"}', 'UTF8'),
    convert_to('{"actor_label":"agent","address":"192.0.2.7","salt":"' || md5(h) || '"}', 'UTF8'),
    'bench', md5('boot')::uuid, i, ''
FROM (SELECT i, now() - interval '1 hour' - (1 - i::float8 / %(events)s) * make_interval(days => 180) AS at,
        md5(random()::text) AS h, random() AS r, random() AS r2, random() AS r3, random() AS r4, random() AS r5
      FROM generate_series(1, %(events)s) AS i) AS made
"""


def audit_search(world: World) -> dict[str, Any]:
    """Milliseconds of a whole request, from a program that asks one after the other."""
    agent = Agent(world, 0, 0)
    claims = claims_of(agent)
    size = fill_log(world, UUID(claims["tenant"]))
    _may_look(world, UUID(claims["sub"]))
    token = agent.api_token()  # after its role has changed
    figures = {"events": EVENTS, "database_mb": size, "baseline": _times(world, token, "/api/v1/roles/", [{}])}
    for name, queries in _queries().items():
        figures[name] = _times(world, token, "/api/v1/audit-events/", queries)
    return figures


def fill_log(world: World, tenant: UUID) -> int:
    """Events of half a year; how large the database then is, in MiB.

    As the administrator, past triggers: these events are looked for, and never sealed.
    """
    place = world.installation
    with psycopg.connect(place.admin_url, dbname=place.database, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(_PARTITION.format(months=MONTHS).encode())
        with _without_indexes(database):
            database.execute(_FILL.encode(), {"tenant": tenant, "events": EVENTS})
        database.execute("VACUUM ANALYZE content.audit_event")
        row = database.execute("SELECT pg_database_size(current_database()) / 1048576").fetchone()
    return int(row[0]) if row else 0


def _may_look(world: World, account: UUID) -> None:
    place = world.installation
    with psycopg.connect(place.admin_url, dbname=place.database, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")
        database.execute("UPDATE content.identity_rolebinding SET role = 'viewer' WHERE principal_id = %s", [account])


@contextlib.contextmanager
def _without_indexes(database: psycopg.Connection[Any]) -> Iterator[None]:
    """They are quicker made at once than row by row."""
    found = database.execute(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE schemaname = 'content' AND tablename = 'audit_event' AND indexname <> 'audit_event_pkey'"
    ).fetchall()
    for name, _ in found:
        database.execute(f'DROP INDEX content."{name}"'.encode())
    yield
    for _, definition in found:
        database.execute(definition.replace(" ON ONLY ", " ON ").encode())


def _of(word: str, number: int) -> str:
    return str(UUID(hashlib.md5(f"{word}{number}".encode()).hexdigest()))  # noqa: S324 - as the database made them


def _queries() -> dict[str, list[dict[str, str]]]:
    turns = range(ROUNDS)
    kinds = ("gateway:call:lose", "connectors:instance:configure", "identity:role:bind", "gateway:call:refuse")
    families = ("denials", "users", "secrets", "sign_in", "connectors")
    by: dict[str, list[dict[str, str]]] = {
        "nothing": [{}],
        "kind": [{"kind": kind} for kind in kinds],
        "family": [{"family": family} for family in families],
        "result": [{"result": result} for result in ("ok", "failed", "refused")],
        "actor": [{"actor": _of("actor", turn * 3)} for turn in turns],
        "customer": [{"customer": _of("customer", turn * 5)} for turn in turns],
        "connection": [{"instance": _of("instance", turn % 8)} for turn in turns],
        "tool": [{"tool": f"tool_{turn * 2}"} for turn in turns],
        "request": [
            {"request": hashlib.md5(f"request{turn * 60_000}".encode()).hexdigest()}  # noqa: S324
            for turn in turns
        ],
        "call": [{"call": _of("call", turn * 60_000)} for turn in turns],
        "time": [{"until": f"2000-01-{turn + 1:02}T00:00:00Z"} for turn in turns] + [{"since": "2026-01-01T00:00:00Z"}],
    }
    for first, second in (
        ("customer", "kind"), ("customer", "tool"), ("customer", "actor"), ("actor", "tool"), ("connection", "result"),
        ("customer", "family"), ("actor", "kind"),
    ):  # fmt: skip
        one, other = by[first], by[second]
        by[f"{first} and {second}"] = [one[turn % len(one)] | other[turn % len(other)] for turn in turns]
    return by


def _times(world: World, token: str, path: str, queries: list[dict[str, str]]) -> dict[str, float]:
    waits = []
    for turn in range(max(ROUNDS, len(queries))):
        query = queries[turn % len(queries)]
        began = time.perf_counter()
        _get(f"{world.portal}{path}?{urlencode(query)}", {"Authorization": f"Bearer {token}"})
        waits.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(sorted(waits), n=20, method="inclusive")
    return {"requests": len(waits), "p50_ms": round(cuts[9], 1), "p95_ms": round(cuts[18], 1)}


def _get(address: str, headers: Mapping[str, str]) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, headers=dict(headers)), timeout=60) as answer:  # noqa: S310
        answer.read()
        if answer.status != _OK:
            raise RuntimeError(f"GET {address}: {answer.status}")
