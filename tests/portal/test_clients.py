"""The page that tells how to connect a client: what is on it can be used as it is."""

import json

import pytest
from django.urls import reverse

from identity.roles import Role
from tests.factories import make_tenant
from tests.identity.factories import make_person


def test_what_a_client_has_to_be_told_is_this_gateways_address(settings):
    settings.GATEWAY_RESOURCE = "https://gateway.northwind.example/mcp"
    browser = make_person(make_tenant(), Role.VIEWER).browser()

    page = browser.get(reverse("portal:agent_clients"))

    told = {way.key: way.text for way in page.context["ways"]}
    assert json.loads(told["vs-code"])["servers"]["msplex"] == {"type": "http", "url": settings.GATEWAY_RESOURCE}
    assert json.loads(told["cursor"])["mcpServers"]["msplex"]["url"] == settings.GATEWAY_RESOURCE
    assert told["claude-code"].split() == [
        "claude", "mcp", "add", "--transport", "http", "msplex", settings.GATEWAY_RESOURCE,
    ]  # fmt: skip
    assert all(settings.GATEWAY_RESOURCE in text for text in told.values())
    assert "can reach over https" not in page.content.decode()


@pytest.mark.parametrize("address", ["http://gateway.northwind.example/mcp", "https://127.0.0.1:8001/mcp"])
def test_an_address_that_no_client_elsewhere_can_use_says_so(settings, address):
    settings.GATEWAY_RESOURCE = address

    page = make_person(make_tenant(), Role.VIEWER).browser().get(reverse("portal:agent_clients"))

    assert "can reach over https" in page.content.decode()
