"""Every tool in every mood of its vendor, as a table: what came of it, and how many rows of others came out (none).

MSPLEX_TABLE=folder writes it there, a file of Markdown and one of JSON for each connector.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.breaker import Breaker
from connectors.catalogue import all_connectors
from connectors.errors import ExecutionError
from connectors.models import Credential
from connectors.pace import client
from connectors.stub.modes import MODES
from connectors.stub.world import marker
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case, connected_to
from tests.vendors.test_every_tool import CASES, EVERY_CLIENT, run

pytestmark = pytest.mark.usefixtures("broker")
OURS = 12
# A vendor that does not answer is waited for: what a tool does then is connectors/network.py's, and the same for all.
FOLDER = os.environ.get("MSPLEX_TABLE")
SHOWN = tuple(mode for mode in MODES if mode != "slow")
if not FOLDER:  # the others are test_every_tool's
    SHOWN = ("honest", "ignore_filter", "mix", "ownerless", "drift_owner", "drift_list")
FOREIGN = [marker(client) for client in EVERY_CLIENT if client != OURS]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_mood_of_a_vendor_brings_out_a_row_of_another_customer(case: Case, stub: StubVendor) -> None:
    rows = {tool: dict.fromkeys(SHOWN, "") for tool in case.calls}
    foreign = 0
    for mode in SHOWN:
        stub.behave("honest")
        with as_role("app"):
            world = connected_to(case, stub)
        for tool, found in rows.items():
            stub.behave(mode)
            found[mode], leaked = _tried(world, tool, case)
            foreign += leaked

    if FOLDER:
        _write(Path(FOLDER), case.connector, rows, foreign)
    assert foreign == 0
    assert set(rows) == {tool.name for entry in all_connectors() if entry.key == case.connector for tool in entry.tools}
    assert all(found["honest"].split()[0].isdigit() for found in rows.values())


def _tried(world: ConnectedWorld, tool: str, case: Case) -> tuple[str, int]:
    """What came of it: rows given out and withheld, or the code it failed with; and marks of others in the answer."""
    _forget(world)
    try:
        result = run(world, tool, case.calls[tool](OURS), customer=1)
    except ExecutionError as error:
        return "outcome_unknown" if error.uncertain else error.code, sum(mark in str(error) for mark in FOREIGN)
    text = json.dumps(result.structured)
    return f"{result.rows_returned} ({result.rows_dropped})", sum(text.count(mark) for mark in FOREIGN)


def _forget(world: ConnectedWorld) -> None:
    """Of the call before, that the vendor failed or asked to wait: each is tried by itself."""
    with as_role("app"), world.tenant.acting():
        credential = Credential.objects.get(instance=world.instance)
    keys = list(client().scan_iter(match=f"*{credential.pk}*"))
    client().delete(*Breaker(str(credential.pk))._keys(), *keys)


def _write(folder: Path, connector: str, rows: dict[str, dict[str, str]], foreign: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"connector": connector, "foreign_rows_returned": foreign, "tools": rows}
    (folder / f"{connector}.json").write_text(json.dumps(told, indent=2))
    lines = [f"| {connector} | {' | '.join(SHOWN)} |", f"|{'---|' * (len(SHOWN) + 1)}"]
    lines += [f"| {tool} | {' | '.join(found.values())} |" for tool, found in rows.items()]
    lines += [
        "",
        f"Rows given out (things withheld), or the code of the refusal. Foreign rows returned: {foreign}.",
        "",
    ]
    (folder / f"{connector}.md").write_text("\n".join(lines))
