"""HaloPSA's API for one call: discovery, OAuth client credentials, paging."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.network import Answer, Request
from connectors.secret import Secret
from connectors.vendors.halopsa.errors import check

SCOPE = "read:tickets read:customers"
# A token is not used in its last minute: the vendor's clock is not ours.
_MARGIN_SECONDS = 60
_LONGEST_TOKEN_SECONDS = 3600
_HOSTED = (".halopsa.com", ".haloitsm.com", ".haloservicedesk.com")
_UNAUTHORIZED = 401
_SIGN_IN_REFUSALS = range(400, 404)


@dataclass(slots=True)
class TokenCache:
    """Access tokens, in the memory of this process and nowhere else."""

    _tokens: dict[str, tuple[float, Secret]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, name: str) -> Secret | None:
        with self._lock:
            expires, token = self._tokens.get(name, (0.0, None))
        return token if time.monotonic() < expires else None

    def put(self, name: str, token: Secret, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._tokens = {key: held for key, held in self._tokens.items() if held[0] > now}
            self._tokens[name] = (now + seconds, token)

    def drop(self, name: str) -> None:
        with self._lock:
            self._tokens.pop(name, None)

    def clear(self) -> None:
        with self._lock:
            self._tokens.clear()


TOKENS = TokenCache()


class HaloClient:
    def __init__(self, connection: Connection, tokens: TokenCache = TOKENS) -> None:
        self._connection = connection
        self._tokens = tokens
        self._base = str(connection.settings["base_url"]).rstrip("/")

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Any:
        url = f"{self._base}/api{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        answer = self._send(url)
        if answer.status == _UNAUTHORIZED:  # withdrawn or expired early: once more with a new token
            self._tokens.drop(self._connection.remember_as)
            answer = self._send(url)
        check(answer)
        return answer.json()

    def page(self, path: str, plural: str, parameters: Mapping[str, str | int], *, number: int, size: int) -> list[Any]:
        wrapper = self.get(path, {**parameters, "pageinate": "true", "page_size": size, "page_no": number})
        rows = wrapper.get(plural) if isinstance(wrapper, dict) else None
        if not isinstance(rows, list):
            raise VendorError("vendor_shape")
        return rows

    def pages(
        self, path: str, plural: str, parameters: Mapping[str, str | int], *, size: int, most: int
    ) -> Iterator[list[Any]]:
        """At most `most` pages; a page that is not full is the last."""
        for number in range(1, most + 1):
            rows = self.page(path, plural, parameters, number=number, size=size)
            yield rows
            if len(rows) < size:
                return

    def _send(self, url: str) -> Answer:
        return self._connection.http.send(Request("GET", url, authorization=self._bearer()))

    def _bearer(self) -> Secret:
        bearer = self._tokens.get(self._connection.remember_as) or self._sign_in()
        self._connection.secrets.add("access_token", Secret(bearer.reveal().removeprefix(b"Bearer ")))
        return bearer

    def _sign_in(self) -> Secret:
        answer = self._connection.http.send(Request("POST", self._token_url(), form=self._credentials()))
        if answer.status in _SIGN_IN_REFUSALS:  # Halo says 400 for a wrong secret
            raise VendorError("vendor_unauthorized")
        check(answer)
        bearer, seconds = _read_token(answer.json())
        self._tokens.put(self._connection.remember_as, bearer, seconds)
        return bearer

    def _credentials(self) -> Secret:
        return Secret(
            urlencode(
                {
                    "grant_type": "client_credentials",
                    "client_id": self._connection.settings["client_id"],
                    "client_secret": self._connection.secrets["client_secret"].reveal_text(),
                    "scope": SCOPE,
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
    return ours.scheme == "https" and all((host.hostname or "").endswith(_HOSTED) for host in (ours, theirs))


def _read_token(reply: Any) -> tuple[Secret, float]:
    token = reply.get("access_token") if isinstance(reply, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token.strip():
        raise VendorError("vendor_shape")
    told = reply.get("expires_in")
    seconds = told if isinstance(told, int | float) and not isinstance(told, bool) else 0
    return Secret(f"Bearer {token}"), min(seconds, _LONGEST_TOKEN_SECONDS) - _MARGIN_SECONDS
