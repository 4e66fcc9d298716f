"""NinjaOne's API for one call: OAuth client credentials, three ways of paging, and a web page that means "too fast"."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from connectors.access_tokens import TOKENS, TokenCache, read_bearer, token_of
from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.network import UNTOLD_SECONDS, Answer, Request, json_body
from connectors.secret import Secret
from connectors.shapes import at

READ_SCOPE = "monitoring"
# Asked for only when something is changed, so that an application without the right can still read.
CHANGE_SCOPE = "monitoring management"
LONGEST_PAGE = 1000
_UNAUTHORIZED = 401
_SUCCESS = range(200, 300)
_SIGN_IN_REFUSALS = range(400, 404)
Parameters = Mapping[str, str | int]


class NinjaClient:
    def __init__(self, connection: Connection, tokens: TokenCache = TOKENS) -> None:
        self._connection = connection
        self._tokens = tokens
        self._base = str(connection.settings["base_url"]).rstrip("/")

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        return self._asked(Request("GET", self._url(path, parameters or {})), READ_SCOPE).json()

    def rows(self, path: str, inside: str = "", parameters: Parameters | None = None) -> list[Any]:
        """A list: bare, or at `inside`."""
        return _listed(self.get(path, parameters), inside)

    def after(self, path: str, *, size: int = LONGEST_PAGE) -> Iterator[list[Any]]:
        """Pages that go on after the last id of the one before."""
        last = 0
        while True:
            rows = self.rows(path, "", {"pageSize": size} | ({"after": last} if last else {}))
            yield rows
            found = [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), int)]
            if len(rows) < size or max(found, default=0) <= last:
                return
            last = max(found)

    def cursor(self, path: str, parameters: Parameters) -> Iterator[list[Any]]:
        """Pages of a report, each of which names the next."""
        name = ""
        while True:
            asked = {**parameters, "pageSize": LONGEST_PAGE} | ({"cursor": name} if name else {})
            answer = self.get(path, asked)
            rows = _listed(answer, "results")
            yield rows
            following = at(answer, "cursor.name")
            if len(rows) < LONGEST_PAGE or not isinstance(following, str) or following == name:
                return
            name = following

    def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """What it answers is not described; if it answers something, it has to be JSON."""
        content = json_body(body) if body is not None else None
        answer = self._asked(Request(method, self._url(path, {}), body=content, changes=True), CHANGE_SCOPE)
        if answer.body.strip():
            answer.json()

    def _url(self, path: str, parameters: Parameters) -> str:
        return self._base + path + (f"?{urlencode(parameters)}" if parameters else "")

    def _asked(self, request: Request, scope: str) -> Answer:
        answer = self._send(request, scope)
        if answer.status == _UNAUTHORIZED:  # withdrawn or expired early: once more with a new token
            self._tokens.drop(self._name(scope))
            answer = self._send(request, scope)
        return self._checked(answer)

    def _checked(self, answer: Answer) -> Answer:
        if answer.status in _SUCCESS and answer.headers.get("content-type", "").lower().startswith("text/html"):
            self._connection.http.hold_back(UNTOLD_SECONDS)
            raise VendorError("vendor_throttled", retry_after=UNTOLD_SECONDS)
        check(answer)
        return answer

    def _send(self, request: Request, scope: str) -> Answer:
        request.authorization = self._bearer(scope)
        return self._connection.http.send(request)

    def _name(self, scope: str) -> str:
        return f"{self._connection.remember_as} {scope}"

    def _bearer(self, scope: str) -> Secret:
        bearer = self._tokens.get(self._name(scope)) or self._sign_in(scope)
        self._connection.secrets.add("access_token", token_of(bearer))
        return bearer

    def _sign_in(self, scope: str) -> Secret:
        answer = self._connection.http.send(
            Request("POST", f"{self._base}/ws/oauth/token", form=self._credentials(scope))
        )
        if answer.status in _SIGN_IN_REFUSALS:
            raise VendorError("vendor_forbidden" if scope == CHANGE_SCOPE else "vendor_unauthorized")
        bearer, seconds = read_bearer(self._checked(answer).json())
        self._tokens.put(self._name(scope), bearer, seconds)
        return bearer

    def _credentials(self, scope: str) -> Secret:
        return Secret(
            urlencode(
                {
                    "grant_type": "client_credentials",
                    "client_id": self._connection.settings["client_id"],
                    "client_secret": self._connection.secrets["client_secret"].reveal_text(),
                    "scope": scope,
                }
            )
        )


def _listed(answer: Any, inside: str) -> list[Any]:
    rows = at(answer, inside) if inside else answer
    if not isinstance(rows, list):
        raise VendorError("vendor_shape")
    return rows
