"""An auditor proves a call's event against the signed log, with one file and without the installation."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from msplex.runtime.home import ROOT
from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.calling import LIST, NORTHWIND, ONE_CUSTOMER
from msplex.runtime.smoke.proof import expect
from msplex.runtime.world import World

AUDITOR = 2
VERIFIER = ROOT / "audit" / "verifier" / "msplex_verify.py"
SEALED_WITHIN = 5.0


def sealed_call(world: World) -> dict[str, Any]:
    """What a call opened a credential for is in the log that the sealer has signed; one changed letter is not."""
    expect(Agent(world, NORTHWIND, ONE_CUSTOMER).call(LIST, limit=1).structured, "the call was not answered")
    auditor = Agent(world, NORTHWIND, AUDITOR)
    event = auditor.api("/api/v1/audit-events/?kind=gateway%3Acall%3Afinish&limit=1")["results"][0]["id"]
    record = auditor.api(f"/api/v1/audit-events/{event}/")
    place = _inclusion(auditor, event)
    line = {"index": place["index"], "k": place["k"], "header": record["header"], "body": record["body"]}
    with urllib.request.urlopen(world.portal + "/.well-known/msplex-log-keys.json") as answer:  # noqa: S310
        keys = answer.read()
    forged = line | {"header": record["header"].replace('"result":"ok"', '"result":"no"')}
    codes = [_verified(each, place["proof"], keys) for each in (line, forged)]
    expect(codes[0] == 0 and codes[1] not in {0, 2}, f"the verifier ended with {codes}")
    return {"event": record["kind"], "index": place["index"], "verified": True, "forged_refused": True}


def _inclusion(auditor: Agent, event: str) -> Any:
    """The outcome itself is sealed a moment after the answer."""
    deadline = time.monotonic() + SEALED_WITHIN
    while True:
        try:
            return auditor.api(f"/api/v1/audit-log/inclusion/?event={urllib.parse.quote(event)}")
        except urllib.error.HTTPError:
            expect(time.monotonic() < deadline, f"event {event} was not sealed within {SEALED_WITHIN} s")
            time.sleep(0.05)


def _verified(line: dict[str, Any], proof: str, keys: bytes) -> int:
    """The exit code of the verifier, which has nothing but three files."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "event.json").write_text(json.dumps(line), encoding="utf-8")
        (place / "proof").write_text(proof, encoding="utf-8")
        (place / "keys.json").write_bytes(keys)
        files = ("--pubkey", "keys.json", "--event", "event.json", "--proof", "proof")
        command = [sys.executable, "-I", str(VERIFIER), "verify-event", *files]
        return subprocess.run(command, cwd=place, env={}, check=False, stdout=sys.stderr).returncode
