"""Client id metadata documents: fetched from where a stranger says, so guarded, and never inside a transaction."""

import json
import ssl
import threading
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpcore2

from identity.oauth.errors import DocumentRefused
from tenants.network import GuardedBackend, Network

SECONDS = 4.0  # for everything together
MOST_BYTES = 8 * 1024
_HTTPS, _FIRST_FREE = 443, 1024  # ports
AT_ONCE = 4  # a flood of bad addresses must not hold every thread of the portal
_turns = threading.BoundedSemaphore(AT_ONCE)


def fetch_document(url: str, *, networks: tuple[Network, ...] = (), trust: ssl.SSLContext | None = None) -> Any:
    """The JSON behind an https URL. Public addresses only (and `networks`), no redirect, small, fast; or refused."""
    _check_url(url)
    if not _turns.acquire(blocking=False):
        raise DocumentRefused("too many documents are being fetched")
    try:
        return _fetch(url, networks, trust or _public_trust())
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
        raise DocumentRefused(f"cannot be fetched: {type(error).__name__}") from error
    except (OSError, UnicodeError, ValueError, httpcore2.UnsupportedProtocol) as error:
        raise DocumentRefused(f"cannot be fetched: {type(error).__name__}") from error
    finally:
        _turns.release()


def _check_url(url: str) -> None:
    """https, a host and a path, and nothing that could be read in two ways (draft-ietf-oauth-client-id-metadata 3)."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and _is_open(parts.port)
    except ValueError:
        sound = False
    if not sound or parts.scheme != "https" or "@" in parts.netloc or parts.fragment or len(parts.path) <= 1:
        raise DocumentRefused("the client id is not an https URL with a path")
    if {".", ".."} & set(parts.path.split("/")) or not url.isascii() or any(c <= " " for c in url):
        raise DocumentRefused("the client id is not a plain URL")


def _is_open(port: int | None) -> bool:
    """To be named in such an address: the usual one, or none that is reserved for another service."""
    return port is None or port == _HTTPS or port >= _FIRST_FREE


@lru_cache(maxsize=1)
def _public_trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _fetch(url: str, networks: tuple[Network, ...], trust: ssl.SSLContext) -> Any:
    deadline = time.monotonic() + SECONDS
    headers = [("Host", urlsplit(url).netloc), ("Accept", "application/json"), ("Accept-Encoding", "identity")]
    limits = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS / 2)
    backend = _Hurried(networks, deadline)
    with (
        httpcore2.ConnectionPool(ssl_context=trust, network_backend=backend) as pool,
        pool.stream("GET", url, headers=headers, extensions={"timeout": limits}) as response,
    ):
        received = {name.lower(): value for name, value in response.headers}
        media_type = received.get(b"content-type", b"").split(b";")[0].strip().lower()
        if response.status != 200:  # noqa: PLR2004 -- HTTP's own number; a redirect is not followed
            raise DocumentRefused(f"answered {response.status}")
        if media_type != b"application/json" and not media_type.endswith(b"+json"):
            raise DocumentRefused("is not JSON")
        return _parsed(_read(response.iter_stream()))


class _Hurried(GuardedBackend):
    """Every wait on the network, from the first to the last, ends with the deadline: a drip of bytes cannot hold it."""

    def __init__(self, networks: tuple[Network, ...], deadline: float) -> None:
        super().__init__(networks, public=True)
        self._deadline = deadline

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        return _HurriedStream(super().connect_tcp(*args, **kwargs), self._deadline)


class _HurriedStream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout
        return left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        return _HurriedStream(self._stream.start_tls(ssl_context, server_hostname, self._left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _read(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MOST_BYTES:
            raise DocumentRefused("is too long")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DocumentRefused("is not JSON") from error
