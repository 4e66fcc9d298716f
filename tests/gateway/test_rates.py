"""How fast a tenant may call is one limit, however many processes ask."""

import subprocess
import sys
import time
from uuid import uuid4

from tests.processes import ROOT, environment

PROCESSES, ASKED, A_MINUTE, BURST = 4, 25, 60, 10
PROGRAM = f"""
import sys, django
django.setup()
from msplex import rates
from tenants.models import Entitlement
given = Entitlement(tenant_id=sys.argv[1], connector="halopsa", calls_per_minute={A_MINUTE})
print(sum(rates.take(given) is None for _ in range({ASKED})))
"""


def test_four_processes_let_through_what_one_would() -> None:
    """A limiter of each process's own would let 40 through at once. What time adds is one a second."""
    tenant, began = str(uuid4()), time.monotonic()
    given = environment("gateway", "app") | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tenant], cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    through = sum(int(each.communicate(timeout=120)[0]) for each in running)

    assert BURST <= through <= BURST + (time.monotonic() - began) * A_MINUTE / 60 + 1
