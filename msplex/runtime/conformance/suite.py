"""The official suite, leg by leg. All of each has to pass; of what is only recommended, it is said what is not done."""

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msplex.runtime.conformance.node import SUITE, node, run

SECONDS = 420
_TIME = re.compile(r"-\d{4}-\d\d-\d\dT.*")
# What the suite asks of a server of tools alone, in production as it is.
PLAIN = ("http-header-validation", "dns-rebinding-protection", "tools-list")
TASKS = (
    "lifecycle", "capability-negotiation", "wire-fields", "request-state-removal", "mrtr-input", "request-headers",
    "dispatch-and-envelope", "status-notifications", "required-task-error", "mrtr-composition",
)  # fmt: skip


@dataclass(frozen=True)
class Leg:
    """`scenarios` empty: every one that the revision requires."""

    name: str
    revision: str
    fixtures: bool
    scenarios: tuple[str, ...] = ()


LEGS = (
    Leg("gateway 2026-07-28", "2026-07-28", fixtures=False, scenarios=PLAIN),
    Leg("suite 2026-07-28", "2026-07-28", fixtures=True),
    Leg("suite 2025-11-25", "2025-11-25", fixtures=True),
    Leg("tasks", "2026-07-28", fixtures=True, scenarios=tuple(f"tasks-{name}" for name in TASKS)),
)


def walk(leg: Leg, url: str) -> tuple[bool, dict[str, Any], str]:
    """Whether it passed, its figures, and what the suite said."""
    runs = [("--scenario", name) for name in leg.scenarios] or [("--requirements", leg.revision)]
    codes, said = [], []
    with tempfile.TemporaryDirectory(prefix="msplex-conformance-") as place:
        for number, what in enumerate(runs):
            arguments = ["server", "--url", url, *what, "-o", str(Path(place) / str(number))]
            code, text = run(node(SUITE, *arguments), seconds=SECONDS)
            codes.append(code)
            said.append(text)
        figures = _figures(Path(place))
    return not any(codes) and bool(figures["scenarios"]), figures, "\n".join(said)


def _figures(place: Path) -> dict[str, Any]:
    """Of the files that the suite leaves behind: one for each scenario, with its checks."""
    found = {_scenario(path.parent.name): json.loads(path.read_text()) for path in sorted(place.rglob("checks.json"))}
    failed, warned = (
        {name: _messages(checks, kind) for name, checks in found.items() if _messages(checks, kind)}
        for kind in ("FAILURE", "WARNING")
    )
    checks = [check["status"] for checks in found.values() for check in checks]
    return {"scenarios": len(found), "checks": checks.count("SUCCESS"), "failed": failed, "warned": warned}


def _scenario(folder: str) -> str:
    """Without the time in its name."""
    return _TIME.sub("", folder).removeprefix("server-")


def _messages(checks: list[dict[str, Any]], kind: str) -> list[str]:
    return [f"{each['id']}: {each.get('errorMessage', '')}" for each in checks if each["status"] == kind]
