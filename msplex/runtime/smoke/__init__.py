"""`make smoke`: start everything, act as users do through the doors, print one JSON line of what was proved."""

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from msplex.runtime.smoke import calling
from msplex.runtime.smoke.proof import Disproved
from msplex.runtime.smoke.proving import sealed_call
from msplex.runtime.smoke.signing_in import portal_sign_in
from msplex.runtime.world import World, world

Proof = Callable[[World], dict[str, Any]]

# In this order; each returns its evidence or raises Disproved. The name of the function is the name in the line.
PROOFS: tuple[Proof, ...] = (portal_sign_in, *calling.PROOFS, sealed_call)


def smoke() -> int:
    began = time.monotonic()
    proved: dict[str, Any] = {}
    failed: dict[str, str] = {}
    try:
        with world("smoke") as place:
            ready = time.monotonic() - began
            for proof in PROOFS:
                _try(proof, place, proved, failed)
    except SystemExit as error:
        ready, failed["start"] = 0.0, str(error.code)
    seconds = {"ready": round(ready, 1), "total": round(time.monotonic() - began, 1)}
    print(json.dumps({"ok": not failed, "seconds": seconds, "proved": proved, "failed": failed}), flush=True)
    return 1 if failed else 0


def _try(proof: Proof, place: World, proved: dict[str, Any], failed: dict[str, str]) -> None:
    """One proof that fails must not keep the others from being tried."""
    try:
        proved[proof.__name__] = proof(place)
    except Disproved as error:
        failed[proof.__name__] = str(error)
    except Exception as error:  # noqa: BLE001 - a proof that breaks proves nothing, and says why on stderr
        traceback.print_exc(file=sys.stderr)
        failed[proof.__name__] = f"{type(error).__name__}: {error}"
