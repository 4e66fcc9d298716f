"""Pax8's partner API for one call: OAuth client credentials as JSON, paging from zero, ids that are UUIDs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from connectors.access_tokens import TOKENS, TokenCache, read_bearer, token_of
from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import ArgumentsInvalid, VendorError
from connectors.network import Answer, Request, json_body
from connectors.secret import Secret

# Names what the token is for, whatever address it is asked at.
AUDIENCE = "https://api.pax8.com"
_UNAUTHORIZED, _NO_CONTENT = 401, 204
_SIGN_IN_REFUSALS = range(400, 404)
Parameters = Mapping[str, str | int]


class Pax8Client:
    def __init__(self, connection: Connection, tokens: TokenCache = TOKENS) -> None:
        self._connection = connection
        self._tokens = tokens
        self._base = f"{str(connection.settings['base_url']).rstrip('/')}/v1"

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        return self._asked(Request("GET", self._url(path, parameters)))

    def page(self, path: str, parameters: Parameters, *, number: int, size: int) -> list[Any]:
        """Pax8 counts from 0, we from 1."""
        return rows_of(self.get(path, {**parameters, "page": number - 1, "size": size}))

    def post(self, path: str, body: Mapping[str, Any], parameters: Parameters | None = None) -> Any:
        return self._asked(Request("POST", self._url(path, parameters), body=json_body(body), changes=True))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._asked(Request("PUT", self._url(path), body=json_body(body), changes=True))

    def delete(self, path: str, parameters: Parameters | None = None) -> None:
        self._asked(Request("DELETE", self._url(path, parameters), changes=True))

    def _url(self, path: str, parameters: Parameters | None = None) -> str:
        return f"{self._base}{path}" + (f"?{urlencode(parameters)}" if parameters else "")

    def _asked(self, request: Request) -> Any:
        answer = self._send(request)
        if answer.status == _UNAUTHORIZED:  # withdrawn or expired early: once more with a new token
            self._tokens.drop(self._connection.remember_as)
            answer = self._send(request)
        check(answer)
        return None if answer.status == _NO_CONTENT else answer.json()

    def _send(self, request: Request) -> Answer:
        bearer = self._tokens.get(self._connection.remember_as) or self._sign_in()
        self._connection.secrets.add("access_token", token_of(bearer))
        request.authorization = bearer
        return self._connection.http.send(request)

    def _sign_in(self) -> Secret:
        answer = self._connection.http.send(Request("POST", f"{self._base}/token", body=self._credentials()))
        if answer.status in _SIGN_IN_REFUSALS:
            raise VendorError("vendor_unauthorized")
        check(answer)
        bearer, seconds = read_bearer(answer.json())
        self._tokens.put(self._connection.remember_as, bearer, seconds)
        return bearer

    def _credentials(self) -> Secret:
        return json_body(
            {
                "client_id": self._connection.settings["client_id"],
                "client_secret": self._connection.secrets["client_secret"].reveal_text(),
                "audience": AUDIENCE,
                "grant_type": "client_credentials",
            }
        )


def rows_of(wrapper: Any) -> list[Any]:
    rows = wrapper.get("content") if isinstance(wrapper, dict) else None
    if not isinstance(rows, list):
        raise VendorError("vendor_shape")
    return rows


def identity(value: Any) -> str:
    """An id as it may stand in a path, in the one spelling there is; ArgumentsInvalid for anything else."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise ArgumentsInvalid from None
