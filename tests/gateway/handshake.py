"""A client of MCP 2025-11-25 down to the bytes: it begins, calls, and is asked in the middle of its call."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import httpx2

VERSION = "2025-11-25"
FORMS = {"elicitation": {"form": {}}}


@dataclasses.dataclass
class Handshake:
    url: str
    token: str
    session: str = ""

    @classmethod
    def begun(cls, url: str, token: str, can: dict[str, Any] = FORMS) -> "Handshake":
        client = cls(url, token)
        params = {"protocolVersion": VERSION, "capabilities": can, "clientInfo": {"name": "tests", "version": "1"}}
        client.session = client.post({"id": 1, "method": "initialize", "params": params}).headers["mcp-session-id"]
        return client

    def post(self, message: dict[str, Any]) -> httpx2.Response:
        with httpx2.Client(timeout=70, trust_env=False) as http:
            return http.post(self.url, json={"jsonrpc": "2.0", **message}, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
        }
        return headers | ({"Mcp-Session-Id": self.session} if self.session else {})

    def call(self, name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Without being asked: the result."""
        with self.calling(name, arguments, **more) as said:
            return next(said)["result"]

    @contextlib.contextmanager
    def calling(self, name: str, arguments: dict[str, Any], **more: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """What is said, message by message, while the call goes on. Leaving closes the stream."""
        body = {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": name, "arguments": arguments, **more},
        }
        with (
            httpx2.Client(timeout=70, trust_env=False) as http,
            http.stream("POST", self.url, json=body, headers=self._headers()) as answer,
        ):
            yield _messages(answer)

    def answer(self, question: dict[str, Any], url: str = "", **said: Any) -> httpx2.Response:
        """`result=` or `error=`; to another process of the gateway, if one is named."""
        return dataclasses.replace(self, url=url or self.url).post({"id": question["id"], **said})


def _messages(answer: httpx2.Response) -> Iterator[dict[str, Any]]:
    if answer.headers["content-type"].startswith("application/json"):
        yield json.loads(answer.read())
        return
    for line in answer.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])
