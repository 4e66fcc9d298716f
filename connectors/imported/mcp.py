"""A client of other people's MCP servers (Streamable HTTP): the newest revision without sessions, else the handshake.

Nothing of what a server says is obeyed: no redirects, no requests of its own, no streams that outlive the answer. Each
call looks first whether the server still describes the tool as it was reviewed.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from itertools import count
from typing import Any

from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.imported.definitions import Listed, digest, of_mcp
from connectors.imported.signing_in import headers
from connectors.network import Answer, Request, json_body
from connectors.secret import Secret

MODERN, LEGACY = "2026-07-28", "2025-11-25"
UNDERSTOOD = frozenset({LEGACY, "2025-06-18", "2025-03-26"})  # of the handshake
MOST_PAGES, MOST_TOOLS = 20, 500
_CLIENT = {"name": "msplex", "version": "1"}
_PREFIX = "io.modelcontextprotocol/"
_META = {
    f"{_PREFIX}protocolVersion": MODERN,
    f"{_PREFIX}clientCapabilities": {},
    f"{_PREFIX}clientInfo": _CLIENT,
}
_SESSION = re.compile(r"[\x21-\x7e]{1,512}\Z")
_OF_OLD = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_REMEMBERED_SECONDS, _MOST_REMEMBERED = 3600, 1000
_old: dict[str, float] = {}  # servers that wanted the handshake, by the name of the credential, until when


def list_tools(connection: Connection) -> Listed:
    return _listed(_Server(connection))


def health(connection: Connection) -> str:
    return f"The server takes the key and lists {len(list_tools(connection).tools)} tools."


def call_tool(
    connection: Connection,
    definition: Mapping[str, Any],
    arguments: Mapping[str, Any],
    changes: bool,
) -> Any:
    """The structured answer. Not sent unless the server describes the tool exactly as it was reviewed."""
    server = _Server(connection)
    now = _listed(server).tools.get(definition["name"])
    if now is None or digest(now) != digest(definition):
        raise VendorError("tool_changed")
    result = server.ask("tools/call", {"name": definition["name"], "arguments": dict(arguments)}, changes=changes)
    if result.get("isError"):
        raise VendorError("vendor_rejected")
    if "structuredContent" not in result:
        raise VendorError("vendor_shape")
    return result["structuredContent"]


def _listed(server: "_Server") -> Listed:
    found: dict[str, Mapping[str, Any]] = {}
    unusable, cursor = 0, None
    for _ in range(MOST_PAGES):
        page = server.ask("tools/list", {"cursor": cursor} if cursor else {})
        for listed in _tools(page, len(found)):
            definition = of_mcp(listed)
            if definition is None or definition["name"] in found:
                unusable += 1
            else:
                found[definition["name"]] = definition
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str) or not cursor:
            return Listed(found, {"definition": unusable} if unusable else {})
    raise VendorError("vendor_shape")


def _tools(page: Mapping[str, Any], so_far: int) -> list[Any]:
    tools = page.get("tools")
    if not isinstance(tools, list) or so_far + len(tools) > MOST_TOOLS:
        raise VendorError("vendor_shape")
    return tools


class _Server:
    """One conversation: an answer for each question, and nothing else is taken."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = count(1)
        self._session: Secret | None = None
        self._revision = "" if _old.get(connection.remember_as, 0) > time.monotonic() else MODERN

    def ask(self, method: str, params: Mapping[str, Any], *, changes: bool = False) -> Mapping[str, Any]:
        """VendorError unless there is a result. A server that does not know the newest revision is asked once more."""
        if not self._revision:
            self._shake_hands()
        number, answer = self._send(method, params, changes=changes)
        if self._revision == MODERN and not changes and _is_of_old(answer, number):
            self._shake_hands()
            _remember(self._connection.remember_as)
            number, answer = self._send(method, params)
        return _result(answer, number)

    def _shake_hands(self) -> None:
        self._revision = LEGACY
        number, answer = self._send(
            "initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
        )
        self._revision = _result(answer, number).get("protocolVersion", "")
        session = answer.headers.get("mcp-session-id", "")
        if self._revision not in UNDERSTOOD or (session and not _SESSION.match(session)):
            raise VendorError("vendor_shape")
        self._session = Secret(session) if session else None
        check(self._send("notifications/initialized", {}, notifies=True)[1])

    def _send(
        self, method: str, params: Mapping[str, Any], *, changes: bool = False, notifies: bool = False
    ) -> tuple[int, Answer]:
        number = next(self._numbers)
        sent = {**params, "_meta": _META} if self._revision == MODERN else dict(params)
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": sent}
        if not notifies:
            message["id"] = number
        request = Request(
            "POST",
            self._connection.settings["address"],
            body=json_body(message),
            headers=self._headers(method, params),
            changes=changes,
        )
        return number, self._connection.http.send(request)

    def _headers(self, method: str, params: Mapping[str, Any]) -> dict[str, Secret]:
        said = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": self._revision}
        if self._revision == MODERN:
            said |= {"Mcp-Method": method}
            said |= {"Mcp-Name": params["name"]} if "name" in params else {}
        session = {"Mcp-Session-Id": self._session} if self._session else {}
        return {name: Secret(value) for name, value in said.items()} | session | headers(self._connection)


def _remember(name: str) -> None:
    if len(_old) >= _MOST_REMEMBERED:
        _old.clear()
    _old[name] = time.monotonic() + _REMEMBERED_SECONDS


def _is_of_old(answer: Answer, number: int) -> bool:
    """It refuses the revision, or what comes without a handshake, in whichever words."""
    if answer.status in _OF_OLD:
        return True
    message = _message(answer, number) if answer.status == HTTPStatus.OK else None
    return message is not None and "error" in message


def _result(answer: Answer, number: int) -> Mapping[str, Any]:
    check(answer)
    message = _message(answer, number)
    if message is None:
        raise VendorError("vendor_shape")
    if "error" in message:
        raise VendorError("vendor_rejected")
    result = message.get("result")
    if not isinstance(result, dict) or result.get("resultType", "complete") != "complete":
        raise VendorError("vendor_shape")
    return result


def _message(answer: Answer, number: int) -> Mapping[str, Any] | None:
    """The one that answers; notifications and questions of the server's are passed over."""
    for found in _messages(answer):
        if isinstance(found, dict) and found.get("id") == number and ("result" in found or "error" in found):
            return found
    return None


def _messages(answer: Answer) -> Iterator[Any]:
    if not answer.headers.get("content-type", "").strip().lower().startswith("text/event-stream"):
        yield answer.json()
        return
    for event in re.split(rb"(?:\r\n|\n|\r){2}", answer.body):
        lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
        if lines:
            yield replace(answer, headers={"content-type": "application/json"}, body=b"\n".join(lines)).json()
