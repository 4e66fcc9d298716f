"""An AI agent's part, played by the official MCP client."""

import asyncio
import base64
import json
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from msplex.runtime.world import World

ENVELOPE = "io.msplex/refusal"
_TIMEOUT = 30
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """Of one call: the structured result, or the refusal's envelope."""

    structured: Any
    refusal: Mapping[str, Any]
    text: str


@dataclass
class Agent:
    """A service account of the demo: the tenant's first serves every customer, its second one alone."""

    world: World
    tenant: int
    account: int
    _token: str = ""

    def token(self) -> str:
        """Bought once: it outlives every proof."""
        self._token = self._token or self._bought()
        return self._token

    def api(self, path: str) -> Any:
        """GET of the REST API, as a program does."""
        headers = {"Authorization": f"Bearer {self.api_token()}"}
        with urllib.request.urlopen(urllib.request.Request(self.world.portal + path, headers=headers)) as answer:  # noqa: S310
            return json.load(answer)

    def api_token(self) -> str:
        return self._bought(self.world.portal + "/api")

    def _bought(self, resource: str = "") -> str:
        account = self.world.demo["tenants"][self.tenant]["service_accounts"][self.account]
        basic = base64.b64encode(f"{account['client_id']}:{account['client_secret']}".encode()).decode()
        form = {"grant_type": "client_credentials"} | ({"resource": resource} if resource else {})
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.world.portal + "/oauth/token",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Basic {basic}"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return str(json.load(answer)["access_token"])

    def tools(self) -> tuple[list[str], Mapping[str, Any]]:
        """The names on the list, or none and the refusal that says why."""

        async def ask(session: ClientSession) -> tuple[list[str], Mapping[str, Any]]:
            try:
                return [tool.name for tool in (await session.list_tools()).tools], {}
            except MCPError as error:
                return [], error.data[ENVELOPE]

        return self._with_session(ask)

    def call(self, name: str, **arguments: Any) -> Answer:
        async def ask(session: ClientSession) -> Answer:
            result = await session.call_tool(name, arguments)
            meta = result.meta or {}
            text = "".join(getattr(block, "text", "") for block in result.content)
            return Answer(result.structured_content, dict(meta).get(ENVELOPE, {}), text)

        return self._with_session(ask)

    def _with_session(self, ask: Callable[[ClientSession], Awaitable[T]]) -> T:
        async def use() -> T:
            headers = {"Authorization": f"Bearer {self.token()}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=_TIMEOUT, trust_env=False) as http,
                streamable_http_client(self.world.gateway, http_client=http) as (read, write, *_),
                ClientSession(read, write) as session,
            ):
                await session.initialize()
                return await ask(session)

        return asyncio.run(use())


def claims_of(agent: Agent) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(agent.token().split(".")[1] + "=="))
    return claims
