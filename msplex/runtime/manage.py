"""`make manage`: a Django command with the access of the installation that runs from this checkout."""

import os
import subprocess
from collections.abc import Sequence

from msplex.runtime.home import ROOT, Home, Unusable
from msplex.runtime.keys import Keys
from msplex.runtime.places import running, standing_home
from msplex.runtime.postgres import Postgres
from msplex.runtime.programs import MANAGE, Installation, Ports
from msplex.runtime.valkey import Valkey


def manage(arguments: Sequence[str]) -> int:
    home = standing_home()
    facts = running(home)
    if not facts:
        raise Unusable("MSPlex does not run from this checkout: start it with `make run` first.")
    installation = _installation(home, facts["mode"])
    environment = installation.command_environment()
    return subprocess.run([*MANAGE, *arguments], cwd=ROOT, env=environment, check=False).returncode


def _installation(home: Home, mode: str) -> Installation:
    admin_url = os.environ.get("DATABASE_URL") or Postgres(home).url
    redis_url = os.environ.get("REDIS_URL") or Valkey(home).url
    return Installation(home, Keys(home.keys), admin_url, redis_url, Ports.chosen(os.environ), mode)
