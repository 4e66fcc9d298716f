"""What MCP 2026-07-28 asks of a resource server, and the official suite has no scenario for."""

import asyncio
import time

import httpx2
import pytest
from django.conf import settings
from mcp.shared.exceptions import MCPError

from connectors.services import deactivate_instance
from identity.roles import Role
from msplex.gateway import handlers as handlers_module
from msplex.gateway.answers import ENVELOPE, Page
from msplex.gateway.calls import list_tools
from msplex.gateway.handlers import Handlers
from msplex.gateway.handles import HandleRefused, seal, unseal
from msplex.gateway.replies import Replies
from tests.connectors.factories import ALICE, connect
from tests.factories import make_tenant
from tests.gateway.door import VERSION, Door, agent, in_a_thread
from tests.identity.factories import make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"
MISMATCH = -32020


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def bearer(challenge: str) -> dict[str, str]:
    scheme, _, rest = challenge.partition(" ")
    assert scheme == "Bearer"
    return {key: value.strip('"') for key, _, value in (part.partition("=") for part in rest.split(", "))}


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "server/discover", "initialize", "ping", "nonsense"])
def test_nothing_is_answered_without_a_token(gateway_url, method):
    answer = httpx2.post(gateway_url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": {}})

    told = bearer(answer.headers["www-authenticate"])
    assert answer.status_code == 401
    assert told.keys() == {"resource_metadata", "scope"}
    assert "jsonrpc" not in answer.text


def test_a_challenge_leads_to_the_metadata_and_from_there_to_the_authorization_server(gateway_url):
    told = bearer(httpx2.post(gateway_url, json={}).headers["www-authenticate"])

    metadata = told["resource_metadata"]
    assert metadata == settings.GATEWAY_RESOURCE.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
    found = httpx2.get(gateway_url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")).json()
    assert found["resource"] == settings.GATEWAY_RESOURCE
    assert found["authorization_servers"] == [settings.PUBLIC_URL]
    assert set(told["scope"].split()) <= set(found["scopes_supported"])
    assert "offline_access" not in found["scopes_supported"]
    assert found["bearer_methods_supported"] == ["header"]


def test_a_token_for_another_resource_is_refused_whatever_it_may(gateway_url, world):
    api = make_machine(world.tenant, Role.OPERATOR).token(settings.API_RESOURCE)

    answer = Door(gateway_url, api).post("tools/list", {})

    assert answer.status_code == 401
    assert bearer(answer.headers["www-authenticate"])["error"] == "invalid_token"


@pytest.mark.parametrize("place", ["query", "body"])
def test_a_token_counts_in_the_header_only(gateway_url, door, place):
    url = f"{gateway_url}?access_token={door.token}" if place == "query" else gateway_url
    answer = httpx2.post(url, data={"access_token": door.token} if place == "body" else None)

    assert answer.status_code == 401


def test_two_tokens_are_none(gateway_url, door):
    headers = [("Authorization", f"Bearer {door.token}"), ("Authorization", f"Bearer {door.token}")]

    assert httpx2.post(gateway_url, headers=headers, json={}).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("null", 403), ("http://127.0.0.1.evil.example", 403), ("", 200)],
)
def test_a_page_of_somebody_else_may_not_ask(door, origin, status):
    headers = {"Origin": origin} if origin else {}

    assert door.post("tools/list", {}, **headers).status_code == status


def test_our_own_origin_may(door):
    assert door.post("tools/list", {}, Origin=settings.PUBLIC_URL).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp-Method": "tools/list"},
        {"Mcp-Name": "halopsa_get_ticket"},
        {"MCP-Protocol-Version": "2026-07-28x"},
    ],
)
def test_headers_say_what_the_body_says(door, world, headers):
    answer = door.post("tools/call", {"name": LIST, "arguments": {}}, **headers)

    assert answer.status_code == 400
    assert "result" not in answer.json()


def test_a_name_may_be_written_in_base64(door):
    encoded = "=?base64?aGFsb3BzYV9saXN0X3RpY2tldHM=?="

    answer = door.post("tools/call", {"name": LIST, "arguments": {"limit": 1}}, **{"Mcp-Name": encoded})

    assert answer.json()["result"]["structuredContent"]["count"] == 1


def test_no_session_is_ever_given_out(door):
    for headers in ({}, {"Mcp-Session-Id": "mine", "Last-Event-ID": "7"}):
        answer = door.post("tools/list", {}, **headers)
        assert answer.status_code == 200
        assert "mcp-session-id" not in answer.headers


def test_discovery_names_the_revision_and_what_can_be_done(door):
    found = door.post("server/discover", {}).json()["result"]

    assert VERSION in found["supportedVersions"]
    extensions = {"io.modelcontextprotocol/tasks": {}, "io.msplex/explain": {}}
    assert found["capabilities"] == {"tools": {"listChanged": True}, "extensions": extensions}
    assert "data" in found["instructions"]


# Pages of the list


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(handlers_module, "PAGE", 3)


def caller(world, *customers):
    from msplex.gateway.auth import authenticate  # noqa: PLC0415

    token = make_machine(world.tenant, Role.OPERATOR, customers=customers).token()
    return authenticate([(b"authorization", f"Bearer {token}".encode())], "127.0.0.1")


def test_a_cursor_is_good_for_its_caller_and_purpose_only(world):
    mine, other = caller(world), caller(world)
    stranger = caller(connect_nothing())
    handle = seal("halopsa_list_tickets", purpose="tools/list", caller=mine)

    assert unseal(handle, purpose="tools/list", caller=mine) == "halopsa_list_tickets"
    for who, purpose in ((other, "tools/list"), (stranger, "tools/list"), (mine, "something else")):
        with pytest.raises(HandleRefused):
            unseal(handle, purpose=purpose, caller=who)
    for changed in (handle[:-2] + "AA", "", "%", handle * 40, handle[:20]):
        with pytest.raises(HandleRefused):
            unseal(changed, purpose="tools/list", caller=mine)


def connect_nothing():
    class Nothing:
        tenant = make_tenant("globex")

    return Nothing()


def test_an_old_cursor_is_none(world, monkeypatch):
    mine = caller(world)
    handle = seal("x", purpose="tools/list", caller=mine)
    later = time.time() + 3601
    monkeypatch.setattr("msplex.gateway.handles.time.time", lambda: later)

    with pytest.raises(HandleRefused):
        unseal(handle, purpose="tools/list", caller=mine)


def test_a_cursor_that_is_not_ours_is_named(door):
    answer = door.post("tools/list", {"cursor": "page2"})

    assert answer.json()["error"]["code"] == -32602
    assert answer.json()["error"]["message"] == "Invalid cursor"


def test_pages_make_up_the_list_and_each_is_private(world, small_pages):
    from tests.gateway.pages import walk  # noqa: PLC0415

    who = caller(world, world.tenant.customers[0])
    pages = walk(who)

    names = [name for page, _ in pages for name in page]
    assert names == [tool.name for tool in list_tools(who)] == sorted(set(names))
    assert [len(page) for page, _ in pages[:-1]] == [3] * (len(pages) - 1)
    assert all(scope == "private" for _, scope in pages)


def test_a_page_is_decided_about_when_it_is_asked_for(world, small_pages):
    """A cursor is a place in a list, and opens none: what is on it is what its caller may call by then."""
    who = caller(world, world.tenant.customers[0])

    def page(cursor: str | None = None) -> Page:
        return in_a_thread(lambda: asyncio.run(Handlers(Replies()).tools(who, cursor)))

    cursor = page().cursor
    assert page(cursor).tools
    with world.tenant.acting():
        deactivate_instance(world.instance, by=ALICE)

    with pytest.raises(MCPError) as refused:
        page(cursor)
    assert refused.value.error.data[ENVELOPE]["code"] == "instance_not_ready"
