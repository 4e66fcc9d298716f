"""What the signed context and both walls cost a list, Django included. The measuring process: python -m ... TENANT."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from msplex.runtime.bench.growing import CUSTOMERS, add_customers
from msplex.runtime.home import ROOT
from msplex.runtime.smoke.agent import Agent, claims_of
from msplex.runtime.world import World
from tenants.process import Process

BLOCKS, ROUNDS, ROWS, LISTS = 20, 100, 50, 10
_ADMINISTRATOR = "MSPLEX_BENCH_ADMINISTRATOR"


def isolation(world: World) -> dict[str, Any]:
    """p50 of a list of 50 as the application makes it, over the same query of somebody whom no policy holds."""
    tenant = UUID(claims_of(Agent(world, 0, 1))["tenant"])
    add_customers(world, tenant)
    place = world.installation
    environment = place.environment(Process.PORTAL) | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    environment[_ADMINISTRATOR] = make_conninfo(place.admin_url, dbname=place.database)
    command = [sys.executable, "-m", "msplex.runtime.bench.isolating", str(tenant)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"customers": CUSTOMERS, "rows": ROWS} | figures


def _measured(tenant: UUID) -> dict[str, Any]:
    """Block by block in turns, so that what else the machine does is beside both alike."""
    _connect_plainly(os.environ[_ADMINISTRATOR])
    return {f"{lists}_lists": _compared(tenant, lists) for lists in (1, LISTS)}


def _compared(tenant: UUID, lists: int) -> dict[str, float]:
    ways = {"signed": (_signed, "default"), "plain": (_plain, "plain")}
    times: dict[str, list[float]] = {name: [] for name in ways}
    cpu = dict.fromkeys(ways, 0.0)
    for block in range(BLOCKS + 1):
        for name, (way, alias) in ways.items():
            way(tenant, lists)
            before = _spent(alias)
            waits = [_timed(partial(way, tenant, lists)) for _ in range(ROUNDS // lists)]
            if block:  # the first one warms up
                times[name] += waits
                cpu[name] += _spent(alias) - before
    figures = {f"{name}_p50_ms": round(statistics.median(each) * 1000, 3) for name, each in times.items()}
    return figures | {
        "ratio": round(statistics.median(times["signed"]) / statistics.median(times["plain"]), 3),
        "cpu_ratio": round(cpu["signed"] / cpu["plain"], 3),
    }


def _spent(alias: str) -> float:
    """Seconds of CPU of this process and of the database's that serves it. Unlike the times, they wait for nobody."""
    from django.db import connections

    pid = connections[alias].connection.info.backend_pid
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _connect_plainly(administrator: str) -> None:
    """Another connection, of Django's own backend, without our signing."""
    from django.db import connections

    place = conninfo_to_dict(administrator)
    connections.databases["plain"] = connections.databases["default"] | {
        "ENGINE": "django.db.backends.postgresql", "HOST": place.get("host", ""), "PORT": place.get("port", ""),
        "USER": place.get("user", ""), "PASSWORD": place.get("password", ""), "NAME": place["dbname"],
        "OPTIONS": {
            "server_side_binding": True, "options": "-c search_path=content,pg_catalog",
            "pool": {"min_size": 1, "max_size": 1},
        },
    }  # fmt: skip


def _signed(tenant: UUID, lists: int) -> None:
    from django.db import transaction

    from tenants.isolation.context import Context, acting_for
    from tenants.models import Customer

    with acting_for(Context(tenant)), transaction.atomic():
        for _ in range(lists):
            list(Customer.objects.order_by("name")[:ROWS])


def _plain(tenant: UUID, lists: int) -> None:
    from django.db import transaction

    from tenants.models import Customer

    with transaction.atomic("plain"):
        for _ in range(lists):
            list(Customer._base_manager.using("plain").filter(tenant_id=tenant).order_by("name")[:ROWS])


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
    django.setup()
    print(json.dumps(_measured(UUID(sys.argv[1]))), flush=True)
