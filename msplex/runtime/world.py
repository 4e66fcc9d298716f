"""A whole installation in a throw-away home on free ports, for `make smoke` and `make bench`."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msplex.runtime.console import Console
from msplex.runtime.places import throwaway
from msplex.runtime.programs import Installation
from msplex.runtime.supervisor import Supervisor, free_ports, seed_demo, stopping_orderly


@dataclass(frozen=True)
class World:
    """What a person with the demo's credentials has: addresses, and the credentials."""

    installation: Installation
    supervisor: Supervisor
    demo: dict[str, Any]

    @property
    def portal(self) -> str:
        return self.installation.public_url

    @property
    def gateway(self) -> str:
        return self.installation.gateway_url

    @property
    def vendor(self) -> str:
        return self.installation.vendor_url


@contextlib.contextmanager
def world(kind: str) -> Iterator[World]:
    """Logs go to stderr: stdout belongs to the one line of JSON."""
    with throwaway(kind) as home:
        # No DATABASE_URL: roles belong to a whole server, and an experiment must not change those of a real one.
        supervisor = Supervisor(home, Console(sys.stderr), {}, free_ports(), throwaway=True)
        with stopping_orderly(supervisor):
            installation = supervisor.start()
            seed_demo(supervisor, installation)
            yield World(installation, supervisor, json.loads(installation.credentials.read_text()))
