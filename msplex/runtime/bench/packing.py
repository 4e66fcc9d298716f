"""A pack's side of its figures: python -m ... write|build TENANT CUSTOMER, with a process's own role and keys."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from django.db import transaction

EVENTS, TOGETHER = 50_000, 200


def write(tenant: UUID, customer: UUID) -> dict[str, Any]:
    """Events of one customer as a call leaves them, by forty people."""
    from audit.actors import Actor, ActorKind, CallRef
    from audit.kinds import EventKind
    from audit.services import queue_record
    from tenants.ids import uuid7
    from tenants.isolation.context import Context, acting_for
    from tenants.isolation.statements import signed_transaction

    people = [Actor(ActorKind.USER, uuid7(), f"person{number}@msp.example") for number in range(40)]
    kinds = (EventKind.CALL_INTENDED, EventKind.CREDENTIAL_OPENED, EventKind.CALL_FINISHED)
    with acting_for(Context(tenant)):
        for batch in range(0, EVENTS, TOGETHER):
            with signed_transaction() as db:
                call = CallRef(uuid7(), uuid7(), f"halopsa_tool_{batch % 30}")
                queued = [
                    queue_record(
                        db, kinds[n % 3], actor=people[n % 40], subject=("tool_call", call.id, call.tool),
                        customer_id=customer, result="ok", call=call,
                        body={"connector": "halopsa", "rows_returned": n, "state": "succeeded", "vendor_requests": 1},
                    )
                    for n in range(batch, batch + TOGETHER)
                ]  # fmt: skip
                for each in queued:
                    each.confirm()
    return {"events": EVENTS}


def build(tenant: UUID, customer: UUID) -> dict[str, Any]:
    """The zip beside this process's working directory, and what it took to make it."""
    from datetime import UTC, datetime

    from audit.packs import cutting, files, work
    from tenants.isolation.context import Context, acting_for
    from tenants.models import Customer

    with acting_for(Context(tenant)):
        with transaction.atomic():
            month = cutting.month_of(datetime.now(UTC))
            pack = cutting.request_pack(Customer.objects.get(id=customer), month, by=work.BUILDER)
        began = time.monotonic()
        work.build(pack.pk)
        seconds = time.monotonic() - began
        with transaction.atomic():
            pack.refresh_from_db()
            made = files.download(pack, "zip", "bench")
    Path(sys.argv[4]).write_bytes(made.content)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "built_seconds": round(seconds, 1),
        "built_cpu_seconds": round(used.ru_utime + used.ru_stime, 1),  # of the whole process, its start included
        "built_peak_mib": round(used.ru_maxrss / 1024),
        "zip_mib": round(len(made.content) / 2**20, 1),
        "state": pack.state,
        "problem": pack.problem,
    }


if __name__ == "__main__":
    django.setup()
    print(json.dumps({"write": write, "build": build}[sys.argv[1]](UUID(sys.argv[2]), UUID(sys.argv[3]))), flush=True)
