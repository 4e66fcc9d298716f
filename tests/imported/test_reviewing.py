"""From what a server offers to what is exposed: nothing without a person, nothing that changed meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import ProgrammingError

from audit.kinds import EventKind
from connectors.contract import Risk
from connectors.imported.discovery import discover, request_discovery
from connectors.imported.reviewing import classify_tool, expose_tool, withdraw_tool
from connectors.models import Discovery, ImportedTool
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, bodies, draft
from tests.connectors.vendor import StubVendor
from tests.factories import make_tenant
from tests.imported.factories import (
    DECLARATIONS,
    classified,
    connect_mcp,
    exposed,
    look,
    offered,
    row,
    terms,
)  # fmt: skip

State = ImportedTool.State


@pytest.fixture
def world(imported: ConnectedWorld, sealer: None) -> ConnectedWorld:
    look(imported)
    return imported


def test_what_is_discovered_is_not_offered(world: ConnectedWorld) -> None:
    assert row(world, "list_tickets").state == State.DISCOVERED
    assert offered(world) == {}
    with as_role("app"), world.tenant.acting():
        last = Discovery.objects.latest("id")
        assert (last.found, last.added, last.changed, last.code) == (7, 7, 0, "")


def test_what_is_declared_is_offered_only_when_it_is_exposed(world: ConnectedWorld) -> None:
    tool = classified(world, "list_tickets")
    before = offered(world)
    with as_role("app"), world.tenant.acting():
        expose_tool(tool, by=ALICE)

    assert before == {}
    assert set(offered(world)) == {"list_tickets"}


def test_callers_read_what_the_administrator_wrote(world: ConnectedWorld) -> None:
    exposed(world, "list_tickets")
    tool = offered(world)["list_tickets"]

    assert (tool.title, tool.description) == ("List tickets", "Declared list_tickets.")
    assert "Ignore previous" not in str(tool)


@pytest.mark.parametrize("mode", ["changed", "gone"])
def test_what_changed_at_its_server_leaves_the_list_until_a_person_has_looked(
    world: ConnectedWorld, server: StubVendor, mode: str
) -> None:
    exposed(world, "list_tickets", "get_ticket")
    server.behave(mode)
    look(world)
    tool = row(world, "list_tickets")

    assert set(offered(world)) == {"get_ticket"}
    assert tool.state == State.CHANGED
    (told,) = bodies(world.tenant, EventKind.TOOL_CHANGED)
    assert told["alert"] is True
    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict):
        expose_tool(tool, by=ALICE)


def test_a_tool_that_is_again_as_it_was_is_not_exposed_by_itself(world: ConnectedWorld, server: StubVendor) -> None:
    exposed(world, "list_tickets")
    for mode in ("changed", "honest"):
        server.behave(mode)
        look(world)

    assert row(world, "list_tickets").state == State.DISCOVERED
    assert offered(world) == {}


def test_a_review_is_of_what_the_person_saw(world: ConnectedWorld, server: StubVendor) -> None:
    tool = row(world, "list_tickets")
    server.behave("changed")
    look(world)

    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict) as caught:
        classify_tool(tool, seen_digest=tool.seen_digest, terms=terms("list_tickets"), by=ALICE)

    assert caught.value.code == "tool_changed"


def test_a_new_declaration_takes_the_tool_off_until_it_is_exposed(world: ConnectedWorld) -> None:
    exposed(world, "list_tickets")
    classified(world, "list_tickets", picked=("id",))

    assert offered(world) == {}


def test_what_is_withdrawn_is_gone(world: ConnectedWorld) -> None:
    exposed(world, "list_tickets")
    with as_role("app"), world.tenant.acting():
        withdraw_tool(row(world, "list_tickets"), by=ALICE)

    assert offered(world) == {}


def test_what_hangs_on_a_tool_goes_with_it(world: ConnectedWorld) -> None:
    exposed(world, "get_ticket", "list_notes")
    with as_role("app"), world.tenant.acting():
        withdraw_tool(row(world, "get_ticket"), by=ALICE)

    assert offered(world) == {}


def test_a_tool_without_a_typed_answer_is_never_exposed(world: ConnectedWorld) -> None:
    tool = row(world, "search")
    with as_role("app"), world.tenant.acting(), pytest.raises(Invalid) as caught:
        classify_tool(tool, seen_digest=tool.seen_digest, terms=terms("list_tickets"), by=ALICE)

    assert caught.value.code == "tool_untyped"


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("list_tickets", {"narrowing": "D"}, "narrowing"),
        ("list_tickets", {"narrowing": "E"}, "narrowing"),
        ("list_tickets", {"customer": ""}, "customer"),
        ("list_tickets", {"customer": "filter"}, "customer"),
        ("list_tickets", {"narrowing": "C"}, "customer"),
        ("list_tickets", {"narrowing": "C", "customer": ""}, "arguments"),  # it needs the client, and nobody gives it
        ("list_tickets", {"owner": "summary.x"}, "owner"),
        ("list_tickets", {"owner": "tags"}, "owner"),
        ("list_tickets", {"rows": "total"}, "rows"),
        ("list_tickets", {"picked": ()}, "picked"),
        ("list_tickets", {"picked": ("id", "gone")}, "picked"),
        ("list_tickets", {"picked": ("tags",)}, "picked"),
        ("list_tickets", {"arguments": ("limit", "client_id")}, "arguments"),
        ("list_tickets", {"arguments": ("filter",), "limit": ""}, "arguments"),
        ("list_tickets", {"limit": "page"}, "limit"),
        ("list_notes", {"parent": ""}, "parent"),
        ("list_notes", {"parent_argument": "id"}, "parent_argument"),
        ("list_notes", {"parent_key": "id"}, "parent"),
        ("list_notes", {"parent": "list_notes"}, "parent"),
        ("add_note", {"narrowing": "C", "owner": "id", "parent": ""}, "parent"),
        ("create_ticket", {"creates": False}, "parent"),
        ("create_ticket", {"arguments": ("summary", "client_name")}, "arguments"),
    ],
)
def test_a_declaration_that_does_not_hold_a_tool_is_refused(
    world: ConnectedWorld, name: str, changes: dict[str, Any], field: str
) -> None:
    exposed(world, "get_ticket")

    with pytest.raises(Invalid) as caught:
        classified(world, name, **changes)

    assert caught.value.field == field


def test_what_says_that_it_writes_is_not_declared_harmless(world: ConnectedWorld) -> None:
    tool, said = row(world, "create_ticket"), terms("create_ticket")
    with as_role("app"), world.tenant.acting(), pytest.raises(Invalid) as caught:
        classify_tool(
            tool, seen_digest=tool.seen_digest, by=ALICE, terms=type(said)(
                said.title, said.description, Risk.READ, said.tier, said.declaration
            ),
        )  # fmt: skip

    assert caught.value.field == "risk"


def test_the_database_keeps_what_is_exposed_as_it_was_reviewed(world: ConnectedWorld) -> None:
    exposed(world, "list_tickets")
    with as_role("app"), world.tenant.acting(), pytest.raises(IntegrityError), transaction.atomic():
        ImportedTool.objects.filter(name="list_tickets").update(seen_digest="0" * 64)


@pytest.mark.parametrize("role", ["broker", "worker"])
def test_no_process_exposes_a_tool_but_that_of_people(world: ConnectedWorld, role: str) -> None:
    """Not even one that was exposed before and is as it was reviewed."""
    exposed(world, "list_tickets")
    with as_role("app"), world.tenant.acting():
        withdraw_tool(row(world, "list_tickets"), by=ALICE)
        kept = ImportedTool.objects.filter(name="list_tickets")
        values = kept.values("instance_id", "seen_digest", "pinned_digest", "exposed_at").get()

    changes: list[Callable[[], Any]] = [
        lambda: kept.update(state=State.EXPOSED),
        lambda: ImportedTool.objects.create(name="other", state=State.EXPOSED, **values),
    ]
    for change in changes:
        with as_role(role), world.tenant.acting(), pytest.raises(ProgrammingError), transaction.atomic():
            change()

    assert offered(world) == {}


def test_another_tenants_tool_of_the_same_name_is_another_one(world: ConnectedWorld, server: StubVendor) -> None:
    with as_role("app"):
        other = connect_mcp(server)
    look(other)
    exposed(world, "list_tickets")

    assert offered(other) == {}


def test_a_server_that_does_not_answer_leaves_what_is_known(world: ConnectedWorld, server: StubVendor) -> None:
    exposed(world, "list_tickets")
    server.behave("html")
    look(world)

    assert set(offered(world)) == {"list_tickets"}
    with as_role("app"), world.tenant.acting():
        assert Discovery.objects.latest("id").code == "vendor_not_json"


def test_only_an_mcp_server_is_asked(queued: list[Any]) -> None:
    acme = make_tenant()
    with acme.acting():
        instance = draft(acme)
        with pytest.raises(Conflict):
            request_discovery(instance, by=ALICE)
    with acting_for(Context(acme.id)):
        discover(instance.id)
    with acme.acting():
        assert not Discovery.objects.exists()
    assert queued == []


def test_every_declaration_of_these_tests_is_of_a_tool(world: ConnectedWorld) -> None:
    exposed(world, *DECLARATIONS)

    assert set(offered(world)) == set(DECLARATIONS)
