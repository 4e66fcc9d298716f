"""Who gets in at /mcp, and how the others are turned away."""

import base64
import json
import time

import anyio
import httpx2
import pytest
from django.conf import settings
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client

from connectors.contract import Risk
from connectors.vendors.halopsa.connector import HALOPSA
from identity.roles import Role
from tests.connectors.factories import connect
from tests.factories import make_tenant
from tests.gateway.door import Door, agent, in_a_thread
from tests.identity.factories import make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


@pytest.fixture
def world(vendor):
    return connect(vendor)


def changed(token: str, **claims: object) -> str:
    """The same signature over other claims."""
    header, body, signature = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=="))
    body = base64.urlsafe_b64encode(json.dumps(content | claims).encode()).decode().rstrip("=")
    return f"{header}.{body}.{signature}"


def test_without_a_token_the_answer_says_where_to_get_one(gateway_url):
    answer = httpx2.post(gateway_url, json={})

    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert '/.well-known/oauth-protected-resource/mcp"' in challenge
    assert "scope=" in challenge
    assert "error=" not in challenge


def test_the_resource_metadata_names_the_authorization_server(gateway_url):
    origin = gateway_url.removesuffix("/mcp")
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
        metadata = httpx2.get(origin + path).json()
        assert metadata["resource"] == settings.GATEWAY_RESOURCE
        assert metadata["authorization_servers"] == [settings.PUBLIC_URL]


def test_tokens_that_are_not_ours_or_not_for_here_are_refused(gateway_url):
    acme, globex = make_tenant("acme"), make_tenant("globex")
    machine = make_machine(acme, Role.OPERATOR)
    good = machine.token()
    bad = {
        "another audience": machine.token(settings.API_RESOURCE),
        "another tenant in the body": changed(good, tenant=str(globex.id)),
        "a later end": changed(good, exp=int(time.time()) + 9999),
        "no signature": good.rpartition(".")[0] + ".",
        "alg none": "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
        "noise": "x.y.z",
    }

    for name, token in bad.items():
        answer = Door(gateway_url, token).post("tools/list", {})
        assert answer.status_code == 401, name
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], name


def test_a_tenant_in_the_request_changes_nothing(gateway_url, world, vendor):
    """There is no parameter that names a tenant: not in headers, not in arguments, not in _meta."""
    globex = connect(vendor, name="globex", clients=(21, 22, 23)).tenant
    door = agent(gateway_url, world, world.tenant.customers[0])

    plain = door.post("tools/list", {}).json()
    named = door.post("tools/list", {"tenant": str(globex.id)}, **{"X-Tenant": str(globex.id)}).json()

    assert named == plain


def test_a_foreign_origin_is_refused(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])

    assert door.post("tools/list", {}, Origin="https://evil.example").status_code == 403


def test_the_list_is_private_and_stale(gateway_url, world):
    result = agent(gateway_url, world, world.tenant.customers[0]).post("tools/list", {}).json()["result"]

    assert (result["cacheScope"], result["ttlMs"]) == ("private", 0)
    assert [tool["name"] for tool in result["tools"]] == sorted(tool["name"] for tool in result["tools"])
    assert all("customer" in tool["inputSchema"]["properties"] for tool in result["tools"])
    assert all(tool["outputSchema"]["type"] == "object" for tool in result["tools"])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_only_post_is_answered(gateway_url, world, method):
    door = agent(gateway_url, world, world.tenant.customers[0])
    headers = {"Authorization": f"Bearer {door.token}", "MCP-Protocol-Version": "2026-07-28"}

    assert httpx2.request(method, gateway_url, headers=headers).status_code == 405


def test_a_header_that_contradicts_the_body_is_refused(gateway_url, world):
    door = agent(gateway_url, world, world.tenant.customers[0])

    answer = door.post(
        "tools/call", {"name": "halopsa_get_ticket", "arguments": {}}, **{"Mcp-Name": "halopsa_list_tickets"}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020


def test_the_official_client_lists_and_calls_on_the_legacy_leg(gateway_url, world):
    token = agent(gateway_url, world, world.tenant.customers[0]).token

    async def use() -> tuple[list[str], object]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            streamable_http_client(gateway_url, http_client=http) as (read, write, *_),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = await session.list_tools()
            return [tool.name for tool in tools.tools], await session.call_tool("halopsa_list_tickets", {"limit": 2})

    names, result = in_a_thread(anyio.run, use)  # a browser's event loop may be running in this one

    assert names == sorted(f"halopsa_{tool.name}" for tool in HALOPSA.tools if tool.risk is not Risk.DESTRUCTIVE)
    assert result.structured_content["count"] == 2
