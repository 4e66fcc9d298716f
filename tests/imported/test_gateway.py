"""An imported tool as agents have it: through the gateway and the broker, each a process of its own."""

import socket
from typing import Any

import pytest

from connectors.imported.discovery import discover
from connectors.models import Discovery, ImportedTool, ToolCall
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.gateway.door import Door, agent, refusal
from tests.imported.factories import connect_mcp, exposed, look, row

LIST = "mcp_list_tickets"


@pytest.fixture
def world(imported: ConnectedWorld, sealer: None) -> ConnectedWorld:
    look(imported)
    exposed(imported, "list_tickets", "get_ticket")
    return imported


@pytest.fixture
def door(gateway_url: str, world: ConnectedWorld) -> Door:
    return agent(gateway_url, world, world.tenant.customers[0])


def test_what_is_exposed_is_listed_and_answers(door: Door, world: ConnectedWorld) -> None:
    answer = door.call(LIST, limit=50)

    assert door.tools() == ["mcp_get_ticket", LIST]
    assert {each["client_id"] for each in answer["structuredContent"]["rows"]} == {11}
    with as_role("app"), world.tenant.acting():
        call = ToolCall.objects.latest("id")
    assert (call.state, call.tool, call.rows_returned) == ("succeeded", "list_tickets", 12)


def test_the_list_says_nothing_that_the_server_says(door: Door) -> None:
    (tool,) = [each for each in door.post("tools/list", {}).json()["result"]["tools"] if each["name"] == LIST]

    assert tool["description"] == "Declared list_tickets. (MCP server)"
    assert set(tool["inputSchema"]["properties"]) == {"customer", "limit"}


def test_a_change_at_the_server_stops_the_call_and_has_it_looked_at(
    door: Door, world: ConnectedWorld, server: StubVendor
) -> None:
    server.behave("changed")
    answer = door.call(LIST)
    look(world)  # what the broker has asked its queue for

    assert refusal(answer)["code"] == "tool_changed"
    assert server.seen()["calls"] == []
    assert door.tools() == ["mcp_get_ticket"]
    assert door.call(LIST)["code"] == -32602
    assert row(world, "list_tickets").state == ImportedTool.State.CHANGED


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.169.254/latest", "https://localhost/mcp", "https://10.0.0.1/mcp", "https://[::1]/mcp",
        "https://[fe80::1]/mcp", "http://192.0.2.1/mcp",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_called_is_not(server: StubVendor, address: str, settings: Any) -> None:
    with as_role("app"):
        world = connect_mcp(server, address=address)
    settings.VENDOR_NETWORKS = ()
    with acting_for(Context(world.tenant.id)):
        discover(world.instance.id)

    with as_role("app"), world.tenant.acting():
        assert Discovery.objects.latest("id").code == "vendor_address_refused"


@pytest.mark.usefixtures("broker")
def test_a_name_that_leads_inside_is_not_called(
    server: StubVendor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of the metadata service, under a name on the internet."""
    with as_role("app"):
        world = connect_mcp(server, address="https://mcp.example.com/mcp")
    settings.VENDOR_NETWORKS = ()
    really = socket.getaddrinfo

    def found(host: Any, *more: Any, **options: Any) -> Any:
        inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
        return inside if host in {"mcp.example.com", b"mcp.example.com"} else really(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)

    with acting_for(Context(world.tenant.id)):
        discover(world.instance.id)

    with as_role("app"), world.tenant.acting():
        assert Discovery.objects.latest("id").code == "vendor_address_refused"
