"""What people approved is the tool as it was declared then: declared otherwise since, it is another one."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from approvals.models import ToolRule
from approvals.selectors import ruling_of
from connectors.imported.reviewing import classify_tool, expose_tool, withdraw_tool
from connectors.models import ToolCall
from tests.approvals.test_execution import Approved
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.imported.factories import exposed, look, row, terms

pytestmark = pytest.mark.usefixtures("broker", "queued")
NOTE = {"ticket_id": 11003, "text": "Restarted the print spooler"}


class ApprovedNote(Approved):
    """The same, of a tool that was imported."""

    def call(self, **given: Any) -> ToolCall:
        return super().call(**({"connector": "mcp", "arguments": NOTE} | given))


@pytest.fixture
def approved(imported: ConnectedWorld) -> ApprovedNote:
    look(imported)
    exposed(imported, "get_ticket", "add_note")
    return ApprovedNote(imported)


def redeclared(world: ConnectedWorld, name: str, **changes: Any) -> None:
    tool, said = row(world, name), terms(name)
    said = replace(said, declaration=replace(said.declaration, **changes))
    with as_role("app"), world.tenant.acting():
        classify_tool(tool, seen_digest=tool.seen_digest, terms=said, by=ALICE)
        expose_tool(row(world, name), by=ALICE, untried=True)


def withdrawn(world: ConnectedWorld) -> None:
    with as_role("app"), world.tenant.acting():
        withdraw_tool(row(world, "add_note"), by=ALICE)


def test_what_was_approved_runs(approved: ApprovedNote) -> None:
    call: UUID = approved.taken()

    assert approved.ran(call) == ("succeeded", "")


def test_a_vote_is_counted_under_the_rules_for_that_tool(imported: ConnectedWorld) -> None:
    """One person for what writes, and a rule that names it is found: not what holds for a tool that is gone."""
    look(imported)
    exposed(imported, "get_ticket", "add_note")

    approved = ApprovedNote(imported, need=1)

    assert approved.now().state == "approved"
    with as_role("app"), imported.tenant.acting():
        ToolRule.objects.create(position=1, name="Never", effect="refuse", tool=f"{imported.instance.slug}_add_note")
        assert ruling_of(approved.now()).refuses


@pytest.mark.parametrize(
    "change",
    [
        lambda world: redeclared(world, "add_note", picked=("id",)),
        lambda world: redeclared(world, "get_ticket", picked=("id",)),
        withdrawn,
    ],
    ids=["the tool", "what it hangs on", "the tool is withdrawn"],
)
def test_what_was_declared_otherwise_since_is_not_what_was_approved(
    approved: ApprovedNote, server: StubVendor, change: Any
) -> None:
    call = approved.taken()
    change(approved.world)
    server.reset()

    assert approved.ran(call)[0] == "failed"
    assert server.seen()["calls"] == []
    assert approved.now().state == "failed"
