"""`make bench`: figures of one run on one machine, as ratios to a baseline of the same run. Prints JSON."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import django
import psycopg
import redis

from msplex.runtime.bench import calls, packs, sealing
from msplex.runtime.bench.doors import sign_in_page
from msplex.runtime.bench.fairness import fairness
from msplex.runtime.bench.growing import growth
from msplex.runtime.bench.isolating import isolation
from msplex.runtime.bench.killing import kill_matrix
from msplex.runtime.bench.lasting import lasting_call
from msplex.runtime.bench.memory import memory
from msplex.runtime.bench.metering import metering
from msplex.runtime.bench.rekeying import rekey
from msplex.runtime.bench.rollups import rollup
from msplex.runtime.bench.search import audit_search
from msplex.runtime.bench.sweeping import sweeps
from msplex.runtime.bench.withdrawal import withdrawal
from msplex.runtime.world import World, world

# A case returns figures by name; `baseline` among them is what the others are divided by (see measure.against).
Case = Callable[[World], dict[str, Any]]
CASES: tuple[Case, ...] = (
    calls.tools_call, calls.tools_list, calls.denial, sign_in_page, withdrawal, sealing.record_overhead,
    sealing.record_rates, sealing.seal_wait, sealing.kills, audit_search, packs.packs, rekey, metering, rollup,
    fairness, growth, sweeps, isolation, memory, kill_matrix, lasting_call,
)  # fmt: skip


def bench(names: Sequence[str]) -> int:
    """All cases, or those that are named."""
    known = {case.__name__: case for case in CASES}
    if unknown := [name for name in names if name not in known]:
        print(f"Unknown case: {', '.join(unknown)}. Known: {', '.join(known)}.", file=sys.stderr)
        return 2
    with world("bench") as place:
        figures = {name: known[name](place) for name in names or known}
        versions = _versions(place)
    report: dict[str, Any] = {"command": " ".join(["make bench", *(f"ARGS={name}" for name in names)]), "at": _now()}
    report |= {"machine": _machine(), "versions": versions, "figures": figures}
    print(json.dumps(report, indent=2), flush=True)
    return 0


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return {"cores": os.cpu_count(), "memory_gib": memory, "kind": platform.machine(), "system": platform.system()}


def _versions(place: World) -> dict[str, str]:
    with psycopg.connect(place.installation.admin_url) as connection:
        postgres = connection.info.server_version // 10000
    with redis.Redis.from_url(place.installation.redis_url) as client:
        valkey = client.info("server").get("valkey_version", "")
    return {
        "python": platform.python_version(),
        "django": django.__version__,
        "postgres": str(postgres),
        "valkey": valkey,
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
