"""After a call nothing in the broker's process refers to the secret any more.

That is what Python allows to be tested and kept: what it has freed it does not overwrite, so bytes may stay in the heap
until the child ends (docs/connectors.md).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import as_role, role_url
from tests.connectors.factories import ConnectedWorld

ROOT = Path(__file__).parents[2]
LOOK = """
import gc, json, sys, uuid
import django
django.setup()
from django.db import transaction
from connectors import execution
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from tenants.isolation.context import Context, acting_for

tenant, call_id, coded = sys.argv[1:]
del sys.argv[1:]


def held() -> int:
    gc.collect()
    needle = bytes.fromhex(coded)
    text = needle.decode()
    seen, found = set(), 0
    for one in gc.get_objects():
        for each in (one, *gc.get_referents(one)):
            if id(each) in seen or each is needle or each is text:
                continue
            seen.add(id(each))
            if isinstance(each, str):
                found += text in each
            elif isinstance(each, (bytes, bytearray)):
                found += needle in each
    return found


during = []
run = execution._run


def looking(*given):
    during.append(held())
    return run(*given)


execution._run = looking
before = held()
with acting_for(Context(uuid.UUID(tenant))):
    with transaction.atomic():
        call = ToolCall.objects.get(id=call_id)
        instance, mapping = ConnectorInstance.objects.get(), CustomerMapping.objects.get(customer=call.customer_id)
    result = execution.execute(execution.Job(call, instance, mapping))
print(json.dumps([before, during[0], result.rows_returned, held()]))
"""


@pytest.mark.usefixtures("broker")
def test_no_object_holds_it_when_the_call_is_over(connected: ConnectedWorld) -> None:
    with as_role("app"):
        call = connected.call()
    environment = os.environ | {
        "DATABASE_URL": role_url("msplex_broker", os.environ["MSPLEX_TEST_DATABASE"]),
        "DJANGO_SETTINGS_MODULE": "msplex.settings",
        "MSPLEX_PROCESS": "broker",
    }
    command = [sys.executable, "-c", LOOK, str(connected.tenant.id), str(call.id), connected.secret.encode().hex()]

    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    before, during, rows, after = json.loads(said)
    assert rows  # the vendor was called, signed in with the secret
    assert before == 0
    assert during >= 1  # whoever looks finds it while it is there
    assert after == 0
