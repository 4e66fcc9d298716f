"""HaloPSA's API for one call: discovery, OAuth client credentials, paging."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from connectors.access_tokens import TOKENS, TokenCache, read_bearer, token_of
from connectors.answers import check
from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.network import Answer, Request, json_body
from connectors.secret import Secret

READ_SCOPE = "read:tickets read:customers read:assets read:contracts"
# Asked for only when something is changed, so that an application without the right can still read.
EDIT_SCOPE = "read:tickets edit:tickets"
HOSTED = (".halopsa.com", ".haloitsm.com", ".haloservicedesk.com")
_UNAUTHORIZED = 401
_SIGN_IN_REFUSALS = range(400, 404)


class HaloClient:
    def __init__(self, connection: Connection, tokens: TokenCache = TOKENS) -> None:
        self._connection = connection
        self._tokens = tokens
        self._base = str(connection.settings["base_url"]).rstrip("/")

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Any:
        url = f"{self._base}/api{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        return self._asked(Request("GET", url), READ_SCOPE)

    def post(self, path: str, rows: list[dict[str, Any]]) -> Any:
        """Create or change: Halo takes a list, and what has an id in it is changed."""
        return self._asked(Request("POST", f"{self._base}/api{path}", body=json_body(rows), changes=True), EDIT_SCOPE)

    def rows(self, path: str, plural: str, parameters: Mapping[str, str | int]) -> list[Any]:
        wrapper = self.get(path, parameters)
        rows = wrapper.get(plural) if isinstance(wrapper, dict) else None
        if not isinstance(rows, list):
            raise VendorError("vendor_shape")
        return rows

    def page(self, path: str, plural: str, parameters: Mapping[str, str | int], *, number: int, size: int) -> list[Any]:
        return self.rows(path, plural, {**parameters, "pageinate": "true", "page_size": size, "page_no": number})

    def _asked(self, request: Request, scope: str) -> Any:
        answer = self._send(request, scope)
        if answer.status == _UNAUTHORIZED:  # withdrawn or expired early: once more with a new token
            self._tokens.drop(self._name(scope))
            answer = self._send(request, scope)
        check(answer)
        return answer.json()

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
        answer = self._connection.http.send(Request("POST", self._token_url(), form=self._credentials(scope)))
        if answer.status in _SIGN_IN_REFUSALS:  # Halo says 400 for a wrong secret, and for a scope it does not give
            raise VendorError("vendor_forbidden" if scope == EDIT_SCOPE else "vendor_unauthorized")
        check(answer)
        bearer, seconds = read_bearer(answer.json())
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

    def _token_url(self) -> str:
        authority, tenant = self._discover()
        return f"{authority}/token" + (f"?{urlencode({'tenant': tenant})}" if tenant else "")

    def _discover(self) -> tuple[str, str]:
        """Where to sign in. Discovery is not authenticated, so it may not send the secret to just anywhere."""
        answer = self._connection.http.send(Request("GET", f"{self._base}/api/authinfo"))
        if answer.status in range(400, 500) and answer.status != 429:  # noqa: PLR2004  older self-hosted releases
            return f"{self._base}/auth", ""
        check(answer)
        found = answer.json()
        if not isinstance(found, dict):
            raise VendorError("vendor_shape")
        tenant = found.get("tenant_id")
        authority = found.get("auth_url") or f"{self._base}/auth"
        if not isinstance(authority, str) or not _same_house(self._base, authority):
            raise VendorError("vendor_address_refused")
        return authority.rstrip("/"), tenant if isinstance(tenant, str) else ""


def _same_house(base: str, authority: str) -> bool:
    """The same origin, or both on the vendor's own hosting; never from HTTPS to HTTP."""
    ours, theirs = urlsplit(base), urlsplit(authority)
    if theirs.query or theirs.fragment or theirs.username is not None or ours.scheme != theirs.scheme:
        return False
    if ours.netloc == theirs.netloc:
        return True
    return ours.scheme == "https" and all((host.hostname or "").endswith(HOSTED) for host in (ours, theirs))
