"""Every process and both servers killed at random under load, and what the vendor saw laid beside what was recorded.

Each call is a change that the vendor keeps under a name of its own, so that none can come twice unseen. A change whose
outcome became unknown holds up the connection's others until a person has looked; here nobody looks, and the hold is
lifted at once.
"""

import json
import random
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from typing import Any
from uuid import uuid4

from msplex.runtime.bench.callers import kill, told_of
from msplex.runtime.bench.sealing import as_in_production, crash, database_of, drain, is_up
from msplex.runtime.processes import wait_until
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.proof import expect
from msplex.runtime.world import World

CLIENTS, SECONDS = 16, 120.0
SETTLED_SECONDS = 480.0  # longer than it takes until a lost call is given up
TOOL = "halopsa_create_ticket"
_TARGETS = {"calls": 4, "gateway": 2, "sealer": 2, "worker": 1, "broker": 1, "beat": 1, "valkey": 1, "postgres": 1}
_ALLOWED = (
    "INSERT INTO content.approvals_toolrule SELECT (jsonb_populate_record(NULL::content.approvals_toolrule,"
    " jsonb_build_object('tenant_id', %(tenant)s, 'id', gen_random_uuid(), 'position', 1, 'name', 'Bench',"
    " 'effect', 'allow', 'approvers', 0, 'factors', '[]'::jsonb, 'enabled', true, 'risk', '', 'tier', '',"
    " 'connector', '', 'tool', %(tool)s::text, 'role', '', 'caller', '', 'conditions', '[]'::jsonb,"
    " 'days', '[]'::jsonb, 'timezone', '', 'changed_at', now(), 'changed_by', 'bench'))).*"
)
_MOVED = "UPDATE content.tenants_revision SET number = number + 1 WHERE tenant_id = %(tenant)s"
_LIFT = (
    "WITH lifted AS (UPDATE content.connectors_pause SET lifted_at = now(), lifted_by = 'bench'"
    " WHERE tenant_id = %(tenant)s AND lifted_at IS NULL RETURNING 1)"
    " UPDATE content.tenants_revision SET number = number + 1 WHERE tenant_id = %(tenant)s AND EXISTS (TABLE lifted)"
)
_CALLS = (
    "SELECT arguments ->> 'summary', state, count(*) OVER (PARTITION BY arguments ->> 'summary') FROM"
    " content.connectors_toolcall WHERE tenant_id = %(tenant)s AND tool = 'create_ticket'"
)
_OPEN = (
    "SELECT count(*) FROM content.connectors_toolcall WHERE tenant_id = %(tenant)s AND state IN ('queued', 'running')"
)
_EVENTS = (
    "SELECT kind, count(DISTINCT call_id) FROM content.audit_event WHERE tenant_id = %(tenant)s"
    " AND call_id IN (SELECT id FROM content.connectors_toolcall WHERE tenant_id = %(tenant)s"
    " AND tool = 'create_ticket' AND state = ANY (%(states)s)) GROUP BY kind"
)


def kill_matrix(world: World) -> dict[str, Any]:
    """Counts. An exception if any change is at the vendor twice, or there and not on the record as done or unknown."""
    as_in_production(world)
    with database_of(world) as database:
        found = database.execute(
            "SELECT id FROM provider.tenant WHERE name = %s", [world.demo["tenants"][0]["name"]]
        ).fetchone()
        of: dict[str, Any] = {"tenant": found[0] if found else None, "tool": TOOL}
        database.execute("SET session_replication_role = replica")
        database.execute(_ALLOWED.encode(), of)
        database.execute(_MOVED, of)
    load = _Load(world)
    load.start()
    killed = _shoot(world, of)
    answers = load.end()
    with database_of(world) as database:
        settled = wait_until(lambda: database.execute(_OPEN, of).fetchone() == (0,), SETTLED_SECONDS, pause=1.0)
        expect(settled, "calls are still without an outcome")
        states: defaultdict[str, list[str]] = defaultdict(list)
        for name, state, _ in database.execute(_CALLS.encode(), of):
            states[name].append(state)
    drain(world)
    return {"killed": dict(killed), **_compared(world, states, answers), **_recorded(world, of)}


def _compared(world: World, states: dict[str, list[str]], answers: dict[str, str]) -> dict[str, Any]:
    """What the vendor has, what is recorded, what the callers were told."""
    with urllib.request.urlopen(f"{world.vendor}/_stub/requests", timeout=30) as answer:  # noqa: S310
        changes = json.load(answer)["changes"]
    there = Counter(change["body"][0]["summary"] for change in changes if change["path"] == "/api/Tickets")
    done = {name for name, found in states.items() if "succeeded" in found}
    unknown = {name for name, found in states.items() if "unknown" in found}
    told = {name for name, answer in answers.items() if answer == "done"}
    twice = [name for name, times in there.items() if times > 1]
    expect(not twice, f"{len(twice)} changes are at the vendor twice")
    expect(there.keys() <= done | unknown, f"unrecorded at the vendor: {sorted(there.keys() - done - unknown)[:3]}")
    expect(done <= there.keys(), f"recorded as done and not at the vendor: {sorted(done - there.keys())[:3]}")
    expect(told <= done, f"told as done and not recorded so: {sorted(told - done)[:3]}")
    return {
        "calls": len(answers), "answers": dict(Counter(answers.values())),
        "at_the_vendor": len(there), "recorded_done": len(done), "recorded_unknown": len(unknown),
        "unknown_at_the_vendor": len(unknown & there.keys()), "told_done": len(told), "twice": 0, "unrecorded": 0,
    }  # fmt: skip


def _recorded(world: World, of: dict[str, Any]) -> dict[str, Any]:
    """Every call that was let through has an intent and an outcome in the log."""
    states = ["succeeded", "failed", "unknown"]
    with database_of(world) as database:
        calls = database.execute(
            "SELECT count(*) FROM content.connectors_toolcall WHERE tenant_id = %(tenant)s"
            " AND tool = 'create_ticket' AND state = ANY (%(states)s)", of | {"states": states},
        ).fetchone()  # fmt: skip
        kinds = dict(database.execute(_EVENTS, of | {"states": states}).fetchall())
        unsealed = database.execute(
            "SELECT count(*) FROM border.audit_pending WHERE tenant_id = %(tenant)s", of
        ).fetchone()
    outcomes = kinds.get("gateway:call:finish", 0) + kinds.get("gateway:call:lose", 0)
    expect(calls == (kinds.get("gateway:call:intend", 0),) == (outcomes,), f"{calls} calls let through, events {kinds}")
    expect(unsealed == (0,), f"{unsealed} events are not sealed")
    return {"let_through": outcomes, "events": kinds}


class _Load:
    """Callers that do not stop because something is gone for a moment."""

    def __init__(self, world: World) -> None:
        self._world, self._token = world, Agent(world, 0, 1).token()
        self._ended = threading.Event()
        self._answers: dict[str, str] = {}
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> dict[str, str]:
        """Name of the change -> what its caller was told of it."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return self._answers

    def _work(self) -> None:
        while not self._ended.is_set():
            name = str(uuid4())
            arguments = {"summary": name, "details": "of the bench"}
            self._answers[name], again = told_of(self._world, self._token, TOOL, arguments)
            time.sleep(0.5 if again else 0.0)


def _shoot(world: World, of: dict[str, Any]) -> Counter[str]:
    """One after the other, each at some moment of its work, and not of its start."""
    rng = random.Random(6)  # noqa: S311 - a moment, not a secret
    children = {child.program.name: child for child in world.supervisor.children}
    killed, until = Counter[str](), time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(rng.uniform(0.2, 2.0))
        [name] = rng.choices(list(_TARGETS), list(_TARGETS.values()))
        killed[name] += 1
        if name == "postgres":
            crash(world)
        elif name == "valkey":
            world.supervisor.servers.valkey.crash()
            world.supervisor.servers.valkey.start()
        else:
            kill(children[name])
        _lift(world, of)
    for child in children.values():
        expect(wait_until(lambda child=child: is_up(child), 60), f"{child.program.name} did not come back")  # type: ignore[misc]
    return killed


def _lift(world: World, of: dict[str, Any]) -> None:
    with database_of(world) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(_LIFT.encode(), of)
