"""Connections to the stand-in of an API that describes itself."""

from typing import Any

from connectors.contract import Risk, Tier
from connectors.imported.declaration import Declaration
from connectors.imported.reviewing import Classification, classify_tool, expose_tool
from tests.conftest import as_role
from tests.connectors.factories import ALICE, CLIENTS, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.imported.factories import A, B, C, connect_imported, row

PARENT = {"parent": "get_ticket", "parent_argument": "id", "parent_key": "id"}
DECLARED: dict[str, tuple[Risk, Declaration]] = {
    "list_tickets": (
        Risk.READ,
        Declaration(
            A, "client_id", "tickets", ("id", "client_id", "summary", "priority", "password", "site.name"),
            ("limit", "state"), customer="client_id", limit="limit",
        ),
    ),
    "get_ticket": (Risk.READ, Declaration(C, "client_id", "", ("id", "summary", "site.name"), ("id",))),
    "get_file": (Risk.READ, Declaration(C, "client_id", "", ("name",), ("name",))),
    "list_notes": (Risk.READ, Declaration(B, "ticket_id", "notes", ("id", "text"), ("id",), **PARENT)),
    "search": (
        Risk.READ,
        Declaration(
            A, "client_id", "tickets", ("id", "summary"), ("words",), customer="client_id", only_reads=True
        ),
    ),
    "add_note": (Risk.WRITE, Declaration(B, "ticket_id", "", ("id", "text"), ("id", "text"), **PARENT)),
    "change_ticket": (Risk.WRITE, Declaration(C, "client_id", "", ("id", "summary"), ("id", "summary"), **PARENT)),
    "delete_ticket": (Risk.DESTRUCTIVE, Declaration(C, "client_id", "", ("id",), ("id",), **PARENT)),
    "create_ticket": (
        Risk.WRITE,
        Declaration(
            A, "client_id", "", ("id", "summary"), ("summary", "details_note"), customer="client_id", creates=True
        ),
    ),
}  # fmt: skip
CALLS: dict[str, dict[str, Any]] = {
    "list_tickets": {"limit": 50},
    "get_ticket": {"id": 11003},
    "get_file": {"name": "report"},
    "list_notes": {"id": 11003},
    "search": {"words": "printer"},
    "add_note": {"id": 11003, "text": "Done."},
    "change_ticket": {"id": 11003, "summary": "Done"},
    "delete_ticket": {"id": 11003},
    "create_ticket": {"summary": "Printer", "details_note": "It smokes"},
}


def connect(server: StubVendor, clients: tuple[int, ...] = CLIENTS, **settings: str) -> ConnectedWorld:
    """Ready and active, before the description was looked at."""
    own = {"address": f"{server.url}/v2", "description": f"{server.url}/openapi.json", "check": "/me", **settings}
    return connect_imported("openapi", server, own, clients)


def terms(name: str, risk: Risk | None = None, **changes: Any) -> Classification:
    said, declared = DECLARED[name]
    declared = Declaration.of(declared.as_json() | changes)
    return Classification(name, f"Declared {name}.", risk or said, Tier.PRODUCTION, declared)


def classified(world: ConnectedWorld, name: str, risk: Risk | None = None, **changes: Any) -> Any:
    tool = row(world, name)
    with as_role("app"), world.tenant.acting():
        return classify_tool(tool, seen_digest=tool.seen_digest, terms=terms(name, risk, **changes), by=ALICE)


def exposed(world: ConnectedWorld, *names: str) -> None:
    """In an order in which parents come first."""
    for name in names or DECLARED:
        tool = classified(world, name)
        with as_role("app"), world.tenant.acting():
            expose_tool(tool, by=ALICE)
