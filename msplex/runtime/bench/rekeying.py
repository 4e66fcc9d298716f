"""Re-keying of many credentials while others are opened: rows a second, and what a reader waits meanwhile.

The work is done in processes that have the broker's environment, started from here as `python -m`; the reader opens
credentials as a call does, without the record of it, which costs the same with and without a re-keying.
"""

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from msplex.runtime.home import ROOT
from msplex.runtime.world import World
from tenants.process import Process

ROWS = 100_000
IDLE_SECONDS = 10.0
LONGEST_SECONDS = 900.0
_CHUNK = 2_000
_FILL = """
WITH made AS (
    INSERT INTO content.connectors_connectorinstance (tenant_id, id, connector, slug, name, settings, state, created_at,
        own_credentials_only, activated_by, health, health_failures, health_detail, health_code, noticed, retired_by)
    SELECT %(tenant)s, gen_random_uuid(), 'halopsa', 'bench-' || i, 'Bench ' || i, '{}', 'draft', now(),
        false, '', 'unknown', 0, '', '', '', '' FROM generate_series(1, %(rows)s) i RETURNING id)
INSERT INTO content.connectors_credential (tenant_id, id, instance_id, version, digest, created_at, created_by)
SELECT %(tenant)s, gen_random_uuid(), id, 1, md5(id::text), now(), 'bench' FROM made
"""


def rekey(world: World) -> dict[str, Any]:
    place = world.installation
    with psycopg.connect(place.admin_url, dbname=place.database, autocommit=True) as database:
        row = database.execute("SELECT id FROM provider.tenant ORDER BY id LIMIT 1").fetchone()
        tenant = str(row[0]) if row else ""
        database.execute("SET session_replication_role = replica")
        database.execute(_FILL.encode(), {"tenant": tenant, "rows": ROWS})
    _begin(world, "fill", tenant).communicate()
    with psycopg.connect(place.admin_url, dbname=place.database, autocommit=True) as database:
        database.execute("VACUUM ANALYZE content.connectors_adoptedsecret, content.connectors_credential")
    idle = json.loads(_begin(world, "read", tenant, str(IDLE_SECONDS)).communicate()[0])
    reader = _begin(world, "read", tenant, str(LONGEST_SECONDS))
    moved = json.loads(_begin(world, "move", tenant).communicate()[0])
    reader.terminate()
    meanwhile = json.loads(reader.communicate()[0])
    ratios = {f"{name}_ratio": round(meanwhile[name] / idle[name], 2) for name in ("p50_ms", "p99_ms")}
    return {"rows": ROWS, "idle": idle, "meanwhile": meanwhile | ratios, **moved}


def _begin(world: World, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", __name__, *words],
        cwd=ROOT,
        env=world.installation.environment(Process.BROKER),
        stdout=subprocess.PIPE,
        text=True,
    )


# In the broker's environment


def fill() -> dict[str, Any]:
    """Adopted rows for the credentials that have none, as the broker makes them."""
    from connectors.keeping import Whose
    from connectors.keyring import Purpose, ring
    from connectors.models import AdoptedSecret, Credential
    from connectors.registry import State, keys
    from connectors.sealing import seal

    [active] = keys(Purpose.STORAGE, State.ACTIVE)
    key, now = ring().key(active.id, Purpose.STORAGE).wrapping, datetime.now(UTC)
    with _transaction():
        bare = list(Credential.objects.filter(created_by="bench"))
    for start in range(0, len(bare), _CHUNK):
        rows = []
        for credential in bare[start : start + _CHUNK]:
            whose = Whose.of(credential)
            sealed = seal(_PLAIN, key=key, place=whose.place)
            row = AdoptedSecret(
                credential=credential, suite=key.suite, kek_id=key.id, payload=sealed.payload,
                wrapped_key=sealed.wrapped_key, rev=1, intake_kek_id="", adopted_at=now, data_key_at=now,
            )  # fmt: skip
            rows.append(whose.signs(row))
        with _transaction():
            AdoptedSecret.objects.bulk_create(rows)
    return {"filled": len(bare)}


def move() -> dict[str, Any]:
    """A rewrap of all of them, by one worker, with the pauses of the broker's own."""
    from connectors.custody import key_state
    from connectors.keyring import ring
    from connectors.registry import Order
    from connectors.rekeying import move_rows
    from connectors.upkeep import LOCK, start_rekey

    with ring().locked(LOCK):  # the installation's own broker would help
        start_rekey(Order(reason="bench"), datetime.now(UTC))
        began, cpu = time.perf_counter(), time.process_time()
        finished = move_rows(until=time.monotonic() + LONGEST_SECONDS)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
    with _transaction():
        state = key_state()
    return {
        "finished": finished, "seconds": round(seconds, 1), "rows_per_second": round(state.done / seconds),
        "worker_cpu_s_per_1000": round(used / state.done * 1000, 3), "left": state.left,
        "unreadable": state.unreadable,
    }  # fmt: skip


def read(seconds: float) -> dict[str, Any]:
    """Opens one credential after the other, until told to end."""
    import signal

    from connectors.models import ConnectorInstance

    with _transaction():
        instances = list(ConnectorInstance.objects.filter(name__startswith="Bench")[:_CHUNK])
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    until, waits, errors = time.monotonic() + seconds, [], 0
    while time.monotonic() < until and not ended:
        began = time.perf_counter()
        errors += not _opens(random.choice(instances))  # noqa: S311 - any one
        waits.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {"opened": len(waits), "errors": errors, "p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}


_PLAIN = json.dumps({"secret": {"client_secret": "x" * 150}, "bound": {}}).encode()


def _opens(instance: Any) -> bool:
    from connectors.keeping import UNREADABLE, Whose, opened, trouble_with
    from connectors.selectors import adopted_secret, ask_adopted
    from tenants.isolation.statements import signed_transaction

    with signed_transaction() as db:
        found = adopted_secret(ask_adopted(db, instance))
    if found is None or found[1] is None or trouble_with(found[1], Whose.of(found[0])):
        return False
    try:
        return opened(found[1], Whose.of(found[0])) == _PLAIN
    except UNREADABLE:
        return False


def _transaction() -> Any:
    from django.db import transaction

    return transaction.atomic()


def _main(what: str, tenant: str, *words: str) -> None:
    import django

    django.setup()
    from tenants.isolation.context import Context, acting_for

    parts: dict[str, Callable[..., dict[str, Any]]] = {"fill": fill, "move": move, "read": read}
    with acting_for(Context(UUID(tenant))):
        print(json.dumps(parts[what](*_numbers(words))))


def _numbers(words: tuple[str, ...]) -> Iterator[float]:
    yield from map(float, words)


if __name__ == "__main__":
    _main(*sys.argv[1:])
