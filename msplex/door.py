"""Serves portal or gateway: `python -m msplex.door wsgi` or `asgi`. Granian, and a way to end that loses nothing.

On SIGTERM the workers are told first: they say that they are not ready, so that whoever sends requests goes elsewhere,
and still answer for MSPLEX_DRAIN_SECONDS. Then they take no more, and end when what they have begun is answered, or
after MSPLEX_STOP_SECONDS. For the parent alone: it tells the workers (systemd: KillMode=mixed).
"""

import argparse
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from msplex.draining import SIGNAL
from msplex.logs.config import GRANIAN

TARGETS = {"wsgi": "msplex.wsgi:application", "asgi": "msplex.gateway.asgi:application"}
DRAIN_SECONDS, STOP_SECONDS = 5.0, 50  # a call is answered within 45


class Door(MPServer):
    drain_seconds = DRAIN_SECONDS

    def _stop_workers(self) -> None:
        if self.interrupt_signal:  # asked to end, and not after a crash
            for worker in self.wrks:
                with contextlib.suppress(ProcessLookupError, TypeError):
                    os.kill(worker.inner.pid, SIGNAL)
            time.sleep(self.drain_seconds)
        super()._stop_workers()  # type: ignore[no-untyped-call]


def main() -> None:
    given = _arguments()
    settings: dict[str, Any] = {"log_dictconfig": json.loads(Path(GRANIAN).read_text())} if given.json_lines else {}
    door = Door(
        given.target or TARGETS[given.interface],
        address=given.host,
        port=given.port,
        interface=Interfaces(given.interface),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=int(os.environ.get("MSPLEX_STOP_SECONDS", STOP_SECONDS)),
        log_level=LogLevels(given.log_level),
        **settings,
    )
    door.drain_seconds = float(os.environ.get("MSPLEX_DRAIN_SECONDS", DRAIN_SECONDS))
    door.serve()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m msplex.door")
    parser.add_argument("interface", choices=sorted(TARGETS))
    parser.add_argument("--target", help="another application than ours, such as that of the conformance suite")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning"])
    parser.add_argument("--json-lines", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
