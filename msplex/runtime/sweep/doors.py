"""Every answer of every door, kept as it came: portal, REST API, MCP."""

import http.client
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError

from msplex.runtime.smoke.agent import Agent
from msplex.runtime.smoke.browser import Browser, Page
from msplex.runtime.smoke.proof import expect, totp
from msplex.runtime.world import World

PAGES = 400
_VERSION = "2026-07-28"
_SECONDS = 60
_LINK = re.compile(r'href="(/[^"#]*)')
_NO_VISIT = ("/sign-out", "/static/", "/export")


@dataclass
class Answers:
    kept: list[tuple[str, bytes]] = field(default_factory=list)

    def fetch(self, request: urllib.request.Request, *, opener: Any = None) -> bytes:
        """The body, kept with its headers; of a refusal, too."""
        ask = opener.open if opener else urllib.request.urlopen
        try:
            with ask(request, timeout=_SECONDS) as answer:
                return self._keep(request, answer)
        except HTTPError as refusal:
            with refusal:
                return self._keep(request, refusal)

    def _keep(self, request: urllib.request.Request, answer: http.client.HTTPResponse | HTTPError) -> bytes:
        body = answer.read()
        self.kept += [(request.full_url, body), (f"{request.full_url} headers", str(answer.headers).encode())]
        return body


class Watched(Browser):
    """A browser whose every page is kept."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    def _open(self, request: urllib.request.Request) -> Page:
        page = super()._open(request)
        self._answers.kept.append((page.address, page.text.encode()))
        return page

    def sign_in(self, world: World, tenant: int, role: str) -> Page:
        there = world.demo["tenants"][tenant]
        person = next(each for each in there["people"] if each["role"] == role)
        page = self.get(world.portal + "/")
        page = self.submit(page, workspace=there["workspace"], email=person["email"], password=person["password"])
        page = self.submit(page, code=totp(person["totp_secret"]))
        expect(page.status == http.HTTPStatus.OK, f"{person['email']} was not signed in")
        return page

    def crawl(self, world: World) -> int:
        """Every page that a link leads to."""
        waiting, seen = ["/"], {"/"}
        while waiting and len(seen) < PAGES:
            page = self.get(world.portal + waiting.pop(0))
            found = [link for link in _LINK.findall(page.text) if not any(word in link for word in _NO_VISIT)]
            new = [link for link in dict.fromkeys(found) if link not in seen]
            seen |= set(new)
            waiting += new
        return len(seen)


def api_lists(world: World, agent: Agent, answers: Answers) -> int:
    """Every list of the REST API, as its own description names them."""
    headers = {"Authorization": f"Bearer {agent.api_token()}", "Accept": "application/json"}
    described = answers.fetch(urllib.request.Request(f"{world.portal}/api/schema?format=json", headers=headers))  # noqa: S310
    lists = [path for path, actions in json.loads(described)["paths"].items() if "{" not in path and "get" in actions]
    for path in lists:
        answers.fetch(urllib.request.Request(world.portal + path, headers=headers))  # noqa: S310
    return len(lists)


@dataclass
class Door:
    """An agent at the gateway, down to the bytes."""

    world: World
    agent: Agent
    answers: Answers

    def post(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": _VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "sweep", "version": "1"},
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.agent.token()}",
            "MCP-Protocol-Version": _VERSION,
            "Mcp-Method": method,
            **({"Mcp-Name": params["name"]} if "name" in params else {}),
        }
        request = urllib.request.Request(self.world.gateway, json.dumps(body).encode(), headers)  # noqa: S310
        answer: dict[str, Any] = json.loads(self.answers.fetch(request))
        return answer

    def plain_tools(self, slug: str) -> Iterator[str]:
        """Those that read and need nothing said."""
        for tool in self.post("tools/list", {})["result"]["tools"]:
            needed = set(tool["inputSchema"].get("required", ())) - {"customer"}
            if tool["name"].startswith(f"{slug}_") and tool["annotations"].get("readOnlyHint") and not needed:
                yield tool["name"]

    def call(self, name: str) -> dict[str, Any]:
        answer = self.post("tools/call", {"name": name, "arguments": {}})
        found: dict[str, Any] = answer.get("result") or answer.get("error") or {}
        return found


def order_pack(agent: Agent, world: World, answers: Answers, *, customer: str, month: str) -> str:
    """The address of the pack."""
    headers = {"Authorization": f"Bearer {agent.api_token()}", "Content-Type": "application/json"}
    body = json.dumps({"customer": customer, "month": month}).encode()
    made = answers.fetch(urllib.request.Request(f"{world.portal}/api/v1/audit-packs/", body, headers))  # noqa: S310
    return f"{world.portal}/api/v1/audit-packs/{urllib.parse.quote(json.loads(made)['id'])}/"


def pack(agent: Agent, answers: Answers, address: str) -> bytes | None:
    """The file, if it is ready."""
    headers = {"Authorization": f"Bearer {agent.api_token()}"}
    told = json.loads(answers.fetch(urllib.request.Request(address, headers=headers)))  # noqa: S310
    expect(told["state"] != "failed", f"the pack failed: {told.get('problem')}")
    if told["state"] != "ready":
        return None
    return answers.fetch(urllib.request.Request(f"{address}download/", headers=headers))  # noqa: S310
