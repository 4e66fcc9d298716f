"""What the portal hands out to each client is what that client's page in docs/ says."""

import json
from pathlib import Path

import pytest

from msplex.portal.clients import ways

DOCS = Path(__file__).parents[2] / "docs" / "clients"
PAGES = {page.stem: page.read_text() for page in DOCS.glob("*.md")}


@pytest.mark.parametrize("client", ["claude-code", "vs-code", "claude-ai"])
def test_each_client_has_a_page_with_what_the_portal_hands_out(client: str) -> None:
    handed_out = {way.key: way.text for way in ways("GATEWAY")}
    assert handed_out[client] in PAGES[client]
    assert f"clients/{client}.md" in (DOCS.parent / "clients.md").read_text()


def test_what_is_a_file_is_read_as_one() -> None:
    address = "https://mcp.example/mcp?x='y'"
    handed_out = {way.key: way.text for way in ways(address)}

    assert json.loads(handed_out["vs-code"]) == {"servers": {"msplex": {"type": "http", "url": address}}}
    assert json.loads(handed_out["cursor"]) == {"mcpServers": {"msplex": {"url": address}}}
    assert handed_out["claude-ai"] == address
