"""The writer's side of the log's figures, in a process with the broker's role and keys: python -m ... MODE TENANT."""

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django
from django.db import DatabaseError, connection, transaction

ROUNDS = 400
WRITERS = (1, 8, 32)
SECONDS = 4.0
WAITS = 300
THREADS = 4


def overhead(tenant: UUID) -> dict[str, float]:
    """A transaction with one record() in it, against one with such a row as a bare insert; alternating."""
    from tenants.isolation.context import Context, acting_for

    recorded, bare = [], []
    with acting_for(Context(tenant)):
        for _ in range(ROUNDS):
            bare.append(_bare_insert())
            recorded.append(_timed(_record))
    medians = [statistics.median(times) * 1000 for times in (recorded, bare)]
    return {
        "record_p50_ms": round(medians[0], 3),
        "bare_insert_p50_ms": round(medians[1], 3),
        "ratio": round(medians[0] / medians[1], 3),
    }


def _bare_insert() -> float:
    """Of an event that is composed before the clock starts."""
    from audit.kinds import EventKind
    from audit.services import _INSERT, NOTHING, _Event
    from audit.streams import mark

    event = _Event(
        kind=EventKind.CALL_FINISHED, actor=_actor(), subject=NOTHING, customer_id=None, result="ok", told={}, call=None
    )
    ours, used = mark(event.header, [])
    row = event.row(ours)
    seconds = _timed(lambda: _insert(_INSERT, row))
    used()
    return seconds


def _actor() -> Any:
    from audit.actors import system

    return system("bench")


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _insert(statement: str, row: list[Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, row)


def _record() -> None:
    from audit.kinds import EventKind
    from audit.services import record

    with transaction.atomic():
        record(EventKind.CALL_FINISHED, actor=_actor())


def rates(tenant: UUID) -> dict[str, Any]:
    """Events of one tenant a second, as the gateway and the broker write them: pipelined, constant statements."""
    figures = {}
    for writers in WRITERS:
        written = _together(writers, tenant, time.monotonic() + SECONDS)
        figures[f"{writers}_writers_per_second"] = round(len(written) / SECONDS, 1)
    return figures


def _together(writers: int, tenant: UUID, until: float) -> list[str]:
    written: list[list[str]] = [[] for _ in range(writers)]
    threads = [threading.Thread(target=_write, args=(tenant, until, mine)) for mine in written]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [event for mine in written for event in mine]


def _write(tenant: UUID, until: float, written: list[str], pause: float = 0.0) -> None:
    from audit.errors import AuditUnavailable

    while time.monotonic() < until:
        try:
            written.append(str(_queue(tenant)))
        except (DatabaseError, AuditUnavailable):
            time.sleep(0.05)
        time.sleep(pause)


def _queue(tenant: UUID) -> UUID:
    from audit.kinds import EventKind
    from audit.services import NOTHING, queue_record
    from tenants.isolation.context import Context, acting_for
    from tenants.isolation.statements import signed_transaction

    about: dict[str, Any] = {"subject": NOTHING, "customer_id": None, "result": "ok", "body": {}}
    with acting_for(Context(tenant)), signed_transaction() as db:
        queued = queue_record(db, EventKind.CALL_FINISHED, actor=_actor(), **about)
        queued.confirm()
    return queued.id


def waits(tenant: UUID) -> dict[str, float]:
    """From a committed intent to its seal, one after the other, in an otherwise quiet log."""
    from audit.waiting import await_seal
    from tenants.isolation.context import Context, acting_for

    taken = []
    for _ in range(WAITS):
        event = _queue(tenant)
        with acting_for(Context(tenant)):
            taken.append(_timed(lambda: await_seal([event])) * 1000)  # noqa: B023 - used at once
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return {"p50_ms": round(cuts[49], 1), "p95_ms": round(cuts[94], 1), "p99_ms": round(cuts[98], 1)}


def until_told(tenant: UUID) -> list[str]:
    """Write from some threads until the other side closes our input; every event whose commit was confirmed."""
    written: list[list[str]] = [[] for _ in range(THREADS)]
    for mine in written:
        threading.Thread(target=_write, args=(tenant, float("inf"), mine, 0.004), daemon=True).start()
    sys.stdin.read()
    return [event for mine in written for event in list(mine)]


MODES: dict[str, Callable[[UUID], Any]] = {
    "overhead": overhead,
    "rates": rates,
    "waits": waits,
    "until_told": until_told,
}

if __name__ == "__main__":
    django.setup()
    print(json.dumps(MODES[sys.argv[1]](UUID(sys.argv[2]))), flush=True)
