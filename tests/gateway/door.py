"""An MCP client down to the bytes, and people to use it."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

from identity.roles import Role
from tenants.models import Customer
from tests.connectors.factories import ConnectedWorld
from tests.factories import TenantWorld
from tests.identity.factories import make_machine

VERSION = "2026-07-28"
ENVELOPE = "io.msplex/refusal"


@dataclasses.dataclass
class Door:
    """One agent at the gateway, speaking MCP 2026-07-28."""

    url: str
    token: str

    def post(self, method: str, params: dict[str, Any], **headers: str) -> httpx2.Response:
        return self.post_with({}, method, params, **headers)

    def post_with(
        self, more: dict[str, str], method: str, params: dict[str, Any], timeout: float = 60, **headers: str
    ) -> httpx2.Response:
        """With more in `_meta` than a client has to send, or something else."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
            **more,
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        sent = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": method,
            **headers,
        }
        if "name" in params:
            sent.setdefault("Mcp-Name", params["name"])
        with httpx2.Client(timeout=timeout, trust_env=False) as http:
            return http.post(self.url, json=body, headers=sent)

    def tools(self) -> list[str]:
        return [tool["name"] for tool in self.post("tools/list", {}).json()["result"]["tools"]]

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The result, or the error, of tools/call."""
        answer = self.post("tools/call", {"name": name, "arguments": arguments}).json()
        return answer.get("result") or answer["error"]


def in_a_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *arguments).result()


def refusal(answer: dict[str, Any]) -> dict[str, Any]:
    """The envelope of a refused call, or of a closed door."""
    return answer.get("_meta", {}).get(ENVELOPE) or answer["data"][ENVELOPE]


def agent(url: str, world: ConnectedWorld | TenantWorld, *customers: Customer, role: Role = Role.OPERATOR) -> Door:
    """A service account at the door: for these customers, or for the whole tenant."""
    tenant = world.tenant if isinstance(world, ConnectedWorld) else world
    return Door(url, make_machine(tenant, role, customers=customers).token())
