"""The official MCP client, knowing only the gateway's address, and a person with a browser and a second factor."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from playwright.sync_api import Page, expect

from identity.models import AgentSession
from tests.conftest import stack_redis
from tests.connectors.factories import connect
from tests.identity.factories import PASSWORD, Person, fresh_step
from tests.oauth.flow import bob
from tests.processes import free_port, gateway

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST = "halopsa_list_tickets"


class Memory:
    """Where the client keeps what it was given."""

    def __init__(self) -> None:
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens) -> None:
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info) -> None:
        self.client = client_info


class Callback(BaseHTTPRequestHandler):
    answers: "queue.Queue[dict[str, str]]"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/callback":
            self.answers.put({key: values[0] for key, values in parse_qs(parts.query).items()})
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>Done</title><h1>Back in the app</h1>")

    def log_message(self, *args: object) -> None:
        """Quiet."""


class App:
    """An MCP client as people run it: a listener on this computer, and the SDK in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.memory = Memory()
        self.addresses: queue.Queue[str] = queue.Queue()
        self.answers: queue.Queue[dict[str, str]] = queue.Queue()
        handler = type("OneCallback", (Callback,), {"answers": self.answers})
        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        self.pool = ThreadPoolExecutor(1)

    def provider(self) -> OAuthClientProvider:
        metadata = OAuthClientMetadata(
            client_name="Official SDK", redirect_uris=[f"http://127.0.0.1:{self.listener.server_port}/callback"]
        )
        return OAuthClientProvider(self.url, metadata, self.memory, self._opened, self._called_back)

    async def _opened(self, address: str) -> None:
        self.addresses.put(address)

    async def _called_back(self) -> AuthorizationCodeResult:
        answer = await anyio.to_thread.run_sync(lambda: self.answers.get(timeout=60))
        return AuthorizationCodeResult(**answer)

    def start(self) -> "Future[object]":
        return self.pool.submit(anyio.run, self._use)

    async def _use(self) -> object:
        async with (
            httpx2.AsyncClient(auth=self.provider(), timeout=90, trust_env=False) as http,
            streamable_http_client(self.url, http_client=http) as (read, write, *_),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            names = [tool.name for tool in (await session.list_tools()).tools]
            return names, await session.call_tool(LIST, {"limit": 2})

    def stop(self) -> None:
        self.listener.shutdown()
        self.listener.server_close()
        self.pool.shutdown(wait=False, cancel_futures=True)


@pytest.fixture
def app(portal_url: str, settings, broker_process) -> Iterator[App]:
    """A portal and a gateway that know each other's addresses."""
    port = free_port()
    settings.PUBLIC_URL, settings.GATEWAY_RESOURCE = portal_url, f"http://127.0.0.1:{port}/mcp"
    addresses = {"MSPLEX_PUBLIC_URL": portal_url, "MSPLEX_GATEWAY_URL": settings.GATEWAY_RESOURCE}
    with gateway(stack_redis(), port=port, **addresses) as url:
        opened = App(url)
        yield opened
        opened.stop()


def sign_in(page: Page, person: Person) -> None:
    page.get_by_label("Workspace").fill(person.world.workspace)
    page.get_by_label("E-mail").fill(person.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    fresh_step()
    page.get_by_label("Code").fill(person.code())
    page.get_by_role("button", name="Sign in").click()


def test_the_official_client_finds_everything_from_the_401_and_a_person_lets_it_in(
    app: App, vendor, page: Page
) -> None:
    world = connect(vendor)
    person = bob(world.tenant)
    working = app.start()

    page.goto(app.addresses.get(timeout=30))
    sign_in(page, person)
    expect(page.get_by_role("heading", name="Connect “Official SDK”?")).to_be_visible()
    expect(page.get_by_text("Unverified app.")).to_be_visible()
    page.get_by_label("For which customer?").select_option(label=world.tenant.customers[0].name)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name="Back in the app")).to_be_visible()

    names, result = working.result(60)
    assert LIST in names
    assert result.structured_content["count"] == 2
    with world.tenant.acting():
        session = AgentSession.objects.get()
    assert (session.user_id, session.customer_id) == (person.id, world.tenant.customers[0].pk)
    assert app.memory.tokens.refresh_token

    page.goto("/agents/")
    expect(page.get_by_text("Official SDK", exact=True)).to_be_visible()
    page.get_by_role("button", name="Disconnect").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    expect(page.get_by_role("heading", name="No agent is connected")).to_be_visible()

    again = app.start()  # what it holds is refused, so it asks the person again
    assert "/oauth/authorize?" in app.addresses.get(timeout=30)
    app.answers.put({"code": "none", "state": "none"})
    with pytest.raises(BaseException):  # noqa: B017, PT011 -- a group of the SDK's, around the wrong state
        again.result(30)


def test_a_person_who_says_no_sends_the_client_away(app: App, vendor, page: Page) -> None:
    person = bob(connect(vendor).tenant)
    working = app.start()

    page.goto(app.addresses.get(timeout=30))
    sign_in(page, person)
    page.get_by_role("button", name="Do not connect").click()
    expect(page.get_by_role("heading", name="Back in the app")).to_be_visible()

    with pytest.raises(BaseException):  # noqa: B017, PT011 -- a group of the SDK's, around a missing code
        working.result(30)
    with person.world.acting():
        assert not AgentSession.objects.exists()
