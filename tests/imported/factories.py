"""Connections whose tools are the tenant's, made by the services that people use."""

from dataclasses import replace
from typing import Any

from django.test import override_settings

from connectors.contract import Risk, Tier, Tool
from connectors.health import Checkup
from connectors.imported.declaration import Declaration
from connectors.imported.discovery import discover
from connectors.imported.reviewing import Classification, classify_tool, expose_tool
from connectors.models import ImportedTool
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from msplex.decision.snapshot import snapshot
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.connectors.factories import ALICE, CLIENTS, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.factories import make_tenant

A, B, C = "A", "B", "C"
DECLARATIONS = {
    "list_tickets": Declaration(
        A, "client_id", "tickets", ("id", "client_id", "summary", "priority", "password", "site.name"), ("limit",),
        customer="client_id", limit="limit",
    ),
    "get_ticket": Declaration(C, "client_id", "", ("id", "summary", "site.name"), ("ticket_id",)),
    "list_notes": Declaration(
        B, "ticket_id", "notes", ("id", "text"), ("ticket_id",),
        parent="get_ticket", parent_argument="ticket_id", parent_key="ticket_id",
    ),
    "add_note": Declaration(
        B, "ticket_id", "", ("id", "text"), ("ticket_id", "text"),
        parent="get_ticket", parent_argument="ticket_id", parent_key="ticket_id",
    ),
    "create_ticket": Declaration(
        A, "client_id", "", ("id", "summary"), ("summary",), customer="client_id", creates=True,
    ),
}  # fmt: skip
WRITES = {"add_note", "create_ticket"}


def terms(name: str, **changes: Any) -> Classification:
    risk = Risk.WRITE if name in WRITES else Risk.READ
    declared = replace(DECLARATIONS[name], **changes)
    return Classification(name.replace("_", " ").capitalize(), f"Declared {name}.", risk, Tier.PRODUCTION, declared)


def connect_mcp(server: StubVendor, clients: tuple[int, ...] = CLIENTS, **settings: str) -> ConnectedWorld:
    """Ready and active, before anything was discovered."""
    return connect_imported("mcp", server, {"address": f"{server.url}/mcp", **settings}, clients)


def connect_imported(
    connector: str, server: StubVendor, settings: dict[str, str], clients: tuple[int, ...] = CLIENTS
) -> ConnectedWorld:
    world = make_tenant(entitled=False)
    account, secret = server.account(*clients)
    with world.acting():
        Entitlement.objects.create(connector=connector, included_calls=10_000, calls_per_minute=100_000)
        instance = start_instance(connector, by=ALICE)
        instance = configure_instance(instance, settings=settings, secret={"key": secret}, by=ALICE)
        instance = activate_instance(record_health(instance, Checkup("", "Fine.")), by=ALICE)
        mappings = [
            map_customer(instance, customer=customer, external_id=str(client), by=ALICE)
            for customer, client in zip(world.customers, clients, strict=True)
        ]
    return ConnectedWorld(world, instance, mappings, secret, account)


def look(world: ConnectedWorld) -> None:
    """As the broker does it, for the whole tenant."""
    with override_settings(MSPLEX_PROCESS="broker"), as_role("broker"), acting_for(Context(world.tenant.id)):
        discover(world.instance.id)


def row(world: ConnectedWorld, name: str) -> ImportedTool:
    with as_role("app"), world.tenant.acting():
        return ImportedTool.objects.select_related("instance").get(instance=world.instance, name=name)


def classified(world: ConnectedWorld, name: str, **changes: Any) -> ImportedTool:
    tool = row(world, name)
    with as_role("app"), world.tenant.acting():
        return classify_tool(tool, seen_digest=tool.seen_digest, terms=terms(name, **changes), by=ALICE)


def exposed(world: ConnectedWorld, *names: str, **changes: Any) -> None:
    for name in names:
        tool = classified(world, name, **changes)
        with as_role("app"), world.tenant.acting():
            expose_tool(tool, by=ALICE, untried=True)


def offered(world: ConnectedWorld) -> dict[str, Tool]:
    """The tools as a decision finds them, without the connection's name before them."""
    with as_role("app"), world.tenant.acting():
        tools = snapshot().tools
    prefix = f"{world.instance.slug}_"
    return {name.removeprefix(prefix): found.tool for name, found in tools.items()}
