"""A workspace whose policy asks the person behind an agent before something is written."""

from typing import Any

from approvals.models import ToolRule
from tests.connectors.factories import ConnectedWorld, connect
from tests.connectors.vendor import StubVendor
from tests.oauth.flow import McpClient

ADD, NOTE = "halopsa_add_note", {"ticket_id": 11003, "note": "Restarted the spooler"}
SCOPES = "gateway:tool:read gateway:tool:write"


def world_that_asks(vendor: StubVendor) -> ConnectedWorld:
    world = connect(vendor)
    with world.tenant.acting():
        ToolRule.objects.create(position=1, name="Ask", effect="confirm", risk="write")
    vendor.reset()
    return world


def token_of(person: Any, world: ConnectedWorld) -> str:
    """Of an agent that the person has connected for the first customer."""
    return str(McpClient.registered().tokens(person, world.tenant.customers[0], scope=SCOPES)["access_token"])
