"""What a process that runs long does not load: the memory of each of its copies would pay for it."""

import json
import subprocess
import sys

import pytest

from tests.processes import ROOT, environment

COMMAND = """
import json, sys, django
from importlib import import_module
from django.core.management import execute_from_command_line
django.setup()
command = import_module(f"msplex.management.commands.{sys.argv[1]}").Command
command.handle = lambda *_, **__: print(json.dumps(sorted(sys.modules)))
execute_from_command_line(["manage.py", sys.argv[1]])
"""
TASKS = """
import json, sys
from msplex.celery import app
app.loader.import_default_modules()
print(json.dumps(sorted(sys.modules)))
"""
DOOR = """
import json, sys, django
django.setup()
import msplex.gateway.door
print(json.dumps(sorted(sys.modules)))
"""
STARTS = {  # by process and role
    ("broker", "broker"): {"run_calls": COMMAND, "tasks": TASKS},
    ("sealer", "sealer"): {"seal": COMMAND},
    ("worker", "worker"): {"tasks": TASKS},
    ("gateway", "app"): {"door": DOOR},
}
# Pages, the API, its description, and what only those need.
PORTAL = {
    "msplex.urls",
    "msplex.portal",
    "rest_framework.serializers",
    "drf_spectacular.openapi",
    "requests",
    "weasyprint",
}


@pytest.mark.parametrize(
    ("process", "role", "start"), [(*where, start) for where, starts in STARTS.items() for start in starts]
)
def test_a_process_without_pages_loads_none(process: str, role: str, start: str) -> None:
    command = [sys.executable, "-c", STARTS[process, role][start], start]
    env = environment(process, role) | {"DJANGO_SETTINGS_MODULE": "msplex.settings"}

    ended = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)

    loaded = set(json.loads(ended.stdout))
    assert {"django", "tenants.models", "identity.models"} <= loaded
    assert sorted(PORTAL & loaded) == []
