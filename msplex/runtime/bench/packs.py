"""A month of 50,000 events as a pack: how long and how much memory to build it, and to check it elsewhere."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from audit.verifier import msplex_verify
from msplex.runtime.bench.sealing import database_of, drain
from msplex.runtime.home import ROOT
from msplex.runtime.world import World
from tenants.process import Process

_MEASURED = """
import resource, runpy, sys
program, pack, key = sys.argv[1:]
sys.argv = [program, "verify-pack", "--pack", pack, "--pubkey", key, "--json"]
try:
    runpy.run_path(program, run_name="__main__")
except SystemExit:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


def packs(world: World) -> dict[str, Any]:
    with database_of(world) as server:
        query = "SELECT tenant_id, id FROM content.tenants_customer ORDER BY id LIMIT 1"
        [(tenant, customer)] = server.execute(query).fetchall()
    with tempfile.TemporaryDirectory() as folder:
        archive, key = Path(folder) / "pack.zip", Path(folder) / "log.pub"
        written = _run(world, Process.BROKER, "write", str(tenant), str(customer))
        drain(world)
        built = build_pack(world, str(tenant), str(customer), archive)
        with database_of(world) as server:
            publics = [bytes(row[0]) for row in server.execute("SELECT public FROM border.log_key")]
        key.write_text("".join(_pem(public) for public in publics))
        return {**written, **built, **_verified(archive, key)}


def build_pack(world: World, tenant: str, customer: str, archive: Path) -> dict[str, Any]:
    """Of the month of now, as an interim pack, in a worker's process; its zip, and what it took."""
    return _run(world, Process.WORKER, "build", tenant, customer, str(archive))


def _pem(public: bytes) -> str:
    from datetime import UTC, datetime

    from audit.log_keys import LogKey

    return LogKey(public, datetime.now(UTC), None).pem


def _run(world: World, process: Process, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "msplex.runtime.bench.packing", *arguments]
    environment = world.installation.environment(process) | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _verified(archive: Path, key: Path) -> dict[str, Any]:
    command = [sys.executable, "-I", "-c", _MEASURED, msplex_verify.__file__, str(archive), str(key)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.defpath})
    seconds = time.monotonic() - began
    *told, used = done.stdout.splitlines()
    peak, cpu = map(float, used.split())
    answer = json.loads("\n".join(told))
    if not answer["ok"]:
        raise RuntimeError(answer["problem"]["sentence"])
    return {
        "verified_seconds": round(seconds, 1),
        "verified_cpu_seconds": round(cpu, 1),
        "verified_peak_mib": round(peak / 1024),
        "verified_events": answer["facts"]["events"],
    }
