"""Access tokens that were got with a credential: kept in the memory of this process, watched for, never stored."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import VendorError
from connectors.secret import Secret

# A token is not used in its last minute: the vendor's clock is not ours.
MARGIN_SECONDS = 60
LONGEST_SECONDS = 3600


@dataclass(slots=True)
class TokenCache:
    """By the name of the credential's version (`Connection.remember_as`), until they end."""

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


def read_bearer(reply: Any) -> tuple[Secret, float]:
    """The `Authorization` value of a token reply (RFC 6749, 5.1), and for how many seconds it may be used."""
    token = reply.get("access_token") if isinstance(reply, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token.strip():
        raise VendorError("vendor_shape")
    told = reply.get("expires_in")
    seconds = told if isinstance(told, int | float) and not isinstance(told, bool) else 0
    return Secret(f"Bearer {token}"), min(seconds, LONGEST_SECONDS) - MARGIN_SECONDS


def token_of(bearer: Secret) -> Secret:
    """Without the scheme, as an answer would repeat it."""
    return Secret(bearer.reveal().removeprefix(b"Bearer "))
