"""A thousand calls while what runs them is killed: audited, metered and billed are the same calls, counted three ways.

Audited: the outcomes in the log that say `billed`, and again in packs of each customer that the offline verifier has
found authentic. Metered: the usage events. Billed: the file that the billing staff exports, and the provider's total.
"""

import csv
import dataclasses
import io
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from audit.verifier import msplex_verify
from billing import msplex_verify_export
from msplex.runtime.bench.callers import kill, told_of
from msplex.runtime.bench.calls import LIST
from msplex.runtime.bench.packs import build_pack
from msplex.runtime.bench.rolling import roll
from msplex.runtime.bench.sealing import as_in_production, crash, database_of, drain, is_up
from msplex.runtime.processes import wait_until
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.browser import Browser
from msplex.runtime.smoke.proof import expect, totp
from msplex.runtime.world import World

CALLS, CLIENTS = 1000, 8
CRASH_AT = 500  # calls; the database is stopped in the middle of its work
SETTLED_SECONDS = 420  # longer than a sweep waits before it gives a lost call up
_OF_TENANT = "WHERE tenant_id = %(tenant)s"
_FINISHED = (
    "SELECT subject_id FROM content.audit_event WHERE tenant_id = %(tenant)s AND kind = 'gateway:call:finish'"
    " AND (convert_from(body, 'UTF8')::jsonb ->> 'billed')::boolean"
)
_OPEN = f"SELECT count(*) FROM content.connectors_toolcall {_OF_TENANT} AND state IN ('queued', 'running')"  # noqa: S608
_STATES = f"SELECT state, count(*) FROM content.connectors_toolcall {_OF_TENANT} GROUP BY 1"  # noqa: S608


def metering(world: World) -> dict[str, Any]:
    as_in_production(world)
    _second_broker(world)
    tenant = world.demo["tenants"][0]
    _stub(world, "reset")
    killed, answers = _under_fire(world, [each["key"] for each in tenant["customers"]])
    with database_of(world) as database:
        found = database.execute("SELECT id FROM provider.tenant WHERE name = %s", [tenant["name"]]).fetchone()
        of: dict[str, Any] = {"tenant": found[0] if found else None}
        settled = wait_until(lambda: database.execute(_OPEN, of).fetchone() == (0,), SETTLED_SECONDS, pause=0.5)
        expect(settled, "calls are still without an outcome")
        states = dict(database.execute(_STATES, of).fetchall())
        audited = [row[0] for row in database.execute(_FINISHED, of)]
        metered = [row[0] for row in database.execute(f"SELECT id FROM content.billing_usageevent {_OF_TENANT}", of)]  # noqa: S608
        reserved = _reserved(database, of)
    drain(world)
    roll(world, of["tenant"])
    usage, ledger = _files(world, tenant)
    billed, packs = _billed(world, of, usage, ledger), _packs(world, tenant, of["tenant"], usage)
    vendor = _stub(world, "requests")["by_path"].get("/api/Tickets", 0)
    expect(len(audited) == len(set(audited)) and set(audited) == set(metered), "audited and metered are not the same")
    expect(
        len(metered) == billed["usage.csv"] == billed["provider"] == packs["calls"], "billed is not what was metered"
    )
    expect(reserved == (len(metered), len(metered)), f"the counters of the quota say {reserved}")
    unknown = states.get("unknown", 0)
    expect(len(metered) <= vendor <= len(metered) + unknown, f"{vendor} requests reached the vendor")
    return {
        "calls": sum(answers.values()), "answers": dict(answers), "killed": dict(killed), "states": states,
        "audited": len(set(audited)), "metered": len(metered), "billed": billed, "in_packs": packs,
        "reserved": reserved, "at_the_vendor": vendor,
    }  # fmt: skip


def _second_broker(world: World) -> None:
    """So that one takes over from the other at once, as in any installation that is meant to survive."""
    program = next(each.program for each in world.supervisor.children if each.program.name == "calls")
    world.supervisor.start_programs([dataclasses.replace(program, name="calls-2")])


def _reserved(database: Any, of: dict[str, Any]) -> tuple[int, ...]:
    tables = ("billing_quotacounter", "billing_customercounter")
    sums = [f"(SELECT COALESCE(sum(used), 0) FROM content.{table} {_OF_TENANT})" for table in tables]  # noqa: S608
    row = database.execute(f"SELECT {', '.join(sums)}", of).fetchone()
    return tuple(map(int, row))


def _under_fire(world: World, customers: list[str]) -> tuple[Counter[str], Counter[str]]:
    """What was killed how often, and what the callers were told."""
    token = Agent(world, 0, 0).token()  # serves every customer
    left, killed, answers = iter(range(CALLS)), Counter[str](), Counter[str]()
    ended, half, lock = threading.Event(), threading.Event(), threading.Lock()

    def work(client: int) -> None:
        rng = random.Random(client)  # noqa: S311 - which customer, not a secret
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            if number >= CRASH_AT:
                half.set()
            answer, again = told_of(world, token, LIST, {"limit": 1, "customer": rng.choice(customers)})
            with lock:
                answers[answer] += 1
            time.sleep(0.2 if again else 0.0)

    def all_of_them() -> None:
        try:
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(work, range(CLIENTS)))
        finally:
            ended.set()

    callers = threading.Thread(target=all_of_them)
    callers.start()
    _shoot(world, killed, ended, half)  # in this thread: what a thread has started is told to end when the thread does
    callers.join()
    expect(sum(answers.values()) == CALLS, f"{CALLS} calls were made and {sum(answers.values())} answered")
    return killed, answers


def _shoot(world: World, killed: Counter[str], ended: threading.Event, half: threading.Event) -> None:
    """Brokers all the time, now and then a gateway or the sealer, once the database."""
    rng = random.Random(8)  # noqa: S311 - a moment, not a secret
    children = {child.program.name: child for child in world.supervisor.children}
    while not ended.wait(rng.uniform(0.1, 1.0)):
        if half.is_set() and not killed["postgres"]:
            crash(world)
            killed["postgres"] += 1
            continue
        name = rng.choices(("calls", "calls-2", "gateway", "sealer"), (6, 6, 1, 1))[0]
        kill(children[name])
        killed[name] += 1
    for child in children.values():
        expect(wait_until(lambda child=child: is_up(child), 60), f"{child.program.name} did not come back")  # type: ignore[misc]


def _stub(world: World, command: str) -> Any:
    method = "GET" if command == "requests" else "POST"
    asked = urllib.request.Request(f"{world.vendor}/_stub/{command}", None if method == "GET" else b"{}", method=method)  # noqa: S310
    with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}")


def _files(world: World, tenant: dict[str, Any]) -> tuple[str, str]:
    """What Ben of billing takes out of the portal: the month's usage, and the ledger of its calls."""
    person = next(each for each in tenant["people"] if each["role"] == "billing")
    browser = Browser()
    page = browser.get(world.portal + "/")
    page = browser.submit(page, workspace=tenant["workspace"], email=person["email"], password=person["password"])
    browser.submit(page, code=totp(person["totp_secret"]))
    usage, calls = (
        browser.get(f"{world.portal}/billing/exports/file/?what={what}").text for what in ("usage", "calls")
    )
    return usage, calls


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def _billed(world: World, of: dict[str, Any], usage: str, ledger: str) -> dict[str, int]:
    """Tool calls in the file of usage, in the ledger, and in what the provider bills by."""
    with database_of(world) as database:
        query = "SELECT quantity FROM border.usage WHERE tenant_id = %(tenant)s AND meter = 'tool_calls'"
        provider = database.execute(query, of).fetchone()
    return {
        "usage.csv": sum(int(row["quantity"]) for row in _rows(usage) if row["meter"] == "tool_calls"),
        "calls.csv": len(_rows(ledger)),
        "provider": int(provider[0]) if provider else 0,
    }


def _packs(world: World, tenant: dict[str, Any], tenant_id: Any, usage: str) -> dict[str, Any]:
    """Each customer's pack: authentic, and with the calls and the ledger's digest that the export says."""
    calls, agreed = 0, []
    with tempfile.TemporaryDirectory() as folder:
        export, key = Path(folder) / "usage.csv", Path(folder) / "keys.json"
        export.write_text(usage, encoding="utf-8", newline="")
        key.write_text(Browser().get(f"{world.portal}/.well-known/msplex-log-keys.json").text)
        for customer in tenant["customers"]:
            pack = Path(folder) / f"{customer['key']}.zip"
            made = build_pack(world, str(tenant_id), customer["id"], pack)
            expect(made["state"] == "ready", f"the pack of {customer['key']} is {made['state']}: {made['problem']}")
            calls += len(msplex_verify_export.calls_of([str(pack)], "2000", "3000")[1])
            agreed.append(_exit_code(msplex_verify.__file__, "verify-pack", "--pack", pack, "--pubkey", key))
            agreed.append(_exit_code(msplex_verify_export.__file__, export, pack))
    expect(not any(agreed), f"the checks of the packs ended with {agreed}")
    return {"calls": calls, "packs": len(tenant["customers"]), "authentic": True, "export_agrees": True}


def _exit_code(program: str, *arguments: Any) -> int:
    command = [sys.executable, "-I", program, *map(str, arguments)]
    return subprocess.run(command, check=False, stdout=sys.stderr, timeout=120).returncode
