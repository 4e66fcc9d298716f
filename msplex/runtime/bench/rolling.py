"""A rollup's side of its figures, in a process with the worker's role and keys: python -m ... TENANT."""

import json
import os
import resource
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import django

from msplex.runtime.home import ROOT
from msplex.runtime.world import World
from tenants.process import Process


def roll(world: World, tenant: UUID) -> dict[str, Any]:
    """One rollup of the tenant and its report to the provider, as the worker does them; what it took."""
    command = [sys.executable, "-m", "msplex.runtime.bench.rolling", str(tenant)]
    environment = world.installation.environment(Process.WORKER) | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _roll(tenant: UUID) -> dict[str, Any]:
    from datetime import UTC, datetime

    from billing.outward import report_outward
    from billing.rollups import roll_up
    from tenants.isolation.context import Context, acting_for

    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with acting_for(Context(tenant)):
        hours = roll_up(datetime.now(UTC))
        seconds = time.monotonic() - began
        report_outward(datetime.now(UTC))
    used = resource.getrusage(resource.RUSAGE_SELF)
    grown = used.ru_maxrss - before
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "hours": hours,
        "seconds": round(seconds, 2),
        "reported_seconds": round(time.monotonic() - began - seconds, 2),
        "peak_mib": round(used.ru_maxrss / 1024),
        "grown_mib": round(grown / 1024),
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
    django.setup()
    print(json.dumps(_roll(UUID(sys.argv[1]))), flush=True)
