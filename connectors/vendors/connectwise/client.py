"""ConnectWise PSA's API for one call: where the release is, one API key, paging, conditions, JSON Patch."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from connectors.access_tokens import TOKENS, TokenCache
from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import ArgumentsInvalid, VendorError
from connectors.network import Answer, Request, json_body
from connectors.secret import Secret

# Of the descriptions that the shapes were written from: a later release answers in the way of this one.
ACCEPT = "application/vnd.connectwise.com+json; version=2025.16"
# The way to whatever release a site runs; sites name their own, too.
ANY_RELEASE = "v4_6_release"
_RELEASE = re.compile(r"(v[0-9]{1,4}_[A-Za-z0-9_]{1,20})/?\Z")
_REMEMBERED_SECONDS = 3600
# What ends a quoted word, or means something inside one. None of it is ever sent: the grammar has `or` in it.
UNQUOTABLE = "\"'\\[]()%*"
Parameters = Mapping[str, str | int]


class ConnectWiseClient:
    def __init__(self, connection: Connection, memory: TokenCache = TOKENS) -> None:
        self._connection = connection
        self._memory = memory
        self._base = str(connection.settings["base_url"]).rstrip("/")

    def get(self, path: str, parameters: Parameters | None = None, *, codes: Mapping[int, str] | None = None) -> Any:
        return self._asked("GET", path, parameters or {}, codes=codes)

    def rows(self, path: str, parameters: Parameters) -> list[Any]:
        rows = self.get(path, parameters)
        if not isinstance(rows, list):
            raise VendorError("vendor_shape")
        return rows

    def page(self, path: str, parameters: Parameters, *, number: int, size: int) -> list[Any]:
        """By number. The `Link` to the next page is never followed: it is an address that an answer names."""
        return self.rows(path, {**parameters, "page": number, "pageSize": size})

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._asked("POST", path, {}, json_body(body))

    def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Any:
        return self._asked("PATCH", path, {}, json_body(operations))

    def _asked(
        self,
        method: str,
        path: str,
        parameters: Parameters,
        body: Secret | None = None,
        *,
        codes: Mapping[int, str] | None = None,
    ) -> Any:
        url = f"{self._base}/{self._release()}/apis/3.0{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        answer = self._send(Request(method, url, body=body, changes=method != "GET"))
        check(answer, codes)
        return answer.json()

    def _send(self, request: Request) -> Answer:
        request.authorization = self._basic()
        request.headers = {
            "Accept": Secret(ACCEPT),
            "clientId": Secret(str(self._connection.settings["client_id"])),
        }
        return self._connection.http.send(request)

    def _basic(self) -> Secret:
        given, key = self._connection.settings, self._connection.secrets["private_key"].reveal_text()
        pair = base64.b64encode(f"{given['company_id']}+{given['public_key']}:{key}".encode()).decode()
        self._connection.secrets.add("authorization", Secret(pair))
        return Secret(f"Basic {pair}")

    def _release(self) -> str:
        """The path of the site's release, asked for once an hour, without the key; the way to any if it is not told."""
        name = f"{self._connection.remember_as} release"
        if known := self._memory.get(name):
            return known.reveal_text()
        company = quote(str(self._connection.settings["company_id"]), safe="")
        answer = self._connection.http.send(Request("GET", f"{self._base}/login/companyinfo/{company}"))
        release = _release_in(answer)
        self._memory.put(name, Secret(release), _REMEMBERED_SECONDS)
        return release


def _release_in(answer: Answer) -> str:
    if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004
        check(answer)
    try:
        told = answer.json() if answer.status == 200 else None  # noqa: PLR2004
    except VendorError:
        told = None
    codebase = told.get("Codebase") if isinstance(told, dict) else None
    match = _RELEASE.match(codebase) if isinstance(codebase, str) else None
    return match.group(1) if match else ANY_RELEASE


def conditions(customer: str, *terms: str) -> dict[str, str]:
    """The parameter that holds a list to one company, and further terms made by the functions below; all must hold."""
    return {"conditions": " and ".join([f"company/id={int(customer)}", *terms])}


def contains(field: str, words: str) -> str:
    """ArgumentsInvalid if the words could mean more than themselves. Schemas refuse those before."""
    if any(char in UNQUOTABLE for char in words) or not words.isprintable():
        raise ArgumentsInvalid
    return f'{field} contains "{words}"'


def moment(day: str, *, end: bool = False) -> str:
    """A day as the grammar has it."""
    return f"[{day}T{'23:59:59' if end else '00:00:00'}Z]"
