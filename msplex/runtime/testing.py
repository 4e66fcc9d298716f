"""`make test`: the whole suite on throw-away servers, in parallel, in random order; loopback only (pyproject.toml)."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from msplex.runtime.home import ROOT
from msplex.runtime.places import throwaway
from msplex.runtime.processes import Start, send, start
from msplex.runtime.servers import Servers

# Each worker's pools, the template's clones and the live servers of browser tests draw on it.
_CONNECTIONS = 300


def test(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with throwaway("test") as home:
        servers = Servers(home, os.environ, throwaway=True, connections=_CONNECTIONS)
        try:
            admin_url, redis_url = servers.start()
            return _pytest(arguments, {"MSPLEX_ADMIN_DATABASE_URL": admin_url, "REDIS_URL": redis_url})
        finally:
            servers.stop()


def _pytest(arguments: Sequence[str], urls: Mapping[str, str]) -> int:
    # DATABASE_URL is the administrator's here and a process's own in the tests: it must not be taken for that.
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "pytest", "-n", str(os.cpu_count() or 1), *arguments]
    process = start(Start(command, {**inherited, **urls}, ROOT, sys.stdout.fileno()))
    try:
        return process.wait()
    except KeyboardInterrupt:
        send(process.pid, signal.SIGINT)
        try:
            return process.wait(10) or 1
        except subprocess.TimeoutExpired:
            process.kill()
            return 1
