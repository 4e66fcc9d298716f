"""Outgoing HTTP of the broker: no proxy, redirects, cookies, compression; only to addresses that may be called."""

import json
import math
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from http.client import TOO_MANY_REQUESTS
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpcore2

from connectors.breaker import Breaker
from connectors.egress import Reach
from connectors.errors import VendorError
from connectors.exchanges import MOST, Exchange, template
from connectors.pace import LONGEST_HOLD, Pace
from connectors.secret import Secret
from connectors.telling import tell_request
from tenants.network import AddressRefused, GuardedBackend, Network
from tenants.tracing import span

_JSON = re.compile(r"application/([a-z0-9.-]+\+)?json\Z")
_REFUSED = range(300, 500)
_UNDECIDED = frozenset({HTTPStatus.REQUEST_TIMEOUT})
_UNSENT = frozenset({"unsent", "vendor_unreachable", "vendor_address_refused"})
_TROUBLE = frozenset({"stale", "unsent", "vendor_timeout", "vendor_unreachable"})
_MEANING = {"stale": "vendor_unreachable", "unsent": "vendor_timeout"}
UNTOLD_SECONDS = 30  # HaloPSA names no time; ten tries of five seconds each were not enough for others


@dataclass(frozen=True, slots=True)
class Limits:
    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 20.0
    response_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pools:
    """Connections are shared by all calls of the process; they carry no cookies and no state of a caller."""

    https: httpcore2.ConnectionPool
    http: httpcore2.ConnectionPool


def pools(networks: tuple[Network, ...]) -> Pools:
    """Plain HTTP only inside the networks an operator has listed; HTTPS there and to the public internet."""
    with _making:  # many threads begin at once, and what they need costs a tenth of a second
        return _pools(networks)


_making = Lock()


@lru_cache(maxsize=4)
def _pools(networks: tuple[Network, ...]) -> Pools:
    return Pools(https=_pool(GuardedBackend(networks, public=True)), http=_pool(GuardedBackend(networks, public=False)))


def _pool(backend: GuardedBackend) -> httpcore2.ConnectionPool:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return httpcore2.ConnectionPool(
        ssl_context=context,
        max_connections=64,
        max_keepalive_connections=16,
        keepalive_expiry=15,
        network_backend=backend,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """A 200 with something else than JSON is an error for every vendor."""
        media_type = self.headers.get("content-type", "").split(";")[0].strip().lower()
        parsed = _parse(self.body) if _JSON.match(media_type) else _Unparsed
        if parsed is _Unparsed:
            raise VendorError("vendor_not_json")
        return parsed


def seconds_to_wait(answer: Answer) -> int:
    """Of Retry-After, which is a number or a date."""
    told = answer.headers.get("retry-after", "").strip()[:40]
    try:
        seconds = float(int(told)) if told.isdigit() else _seconds_until(parsedate_to_datetime(told))
    except (ValueError, TypeError):
        seconds = UNTOLD_SECONDS
    return min(max(math.ceil(seconds), 1), LONGEST_HOLD)


def _seconds_until(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()


class _Unparsed:
    pass


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        return _Unparsed


@dataclass(slots=True)
class Request:
    """What is secret about a request travels wrapped, so that no frame of a traceback holds it in the open.

    `form` and `body` (JSON) exclude each other. `changes` says that the vendor may have done something for good.
    """

    method: str
    url: str
    authorization: Secret | None = None
    form: Secret | None = None
    body: Secret | None = None
    media_type: str = "application/json"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    changes: bool = False

    @property
    def content(self) -> Secret | None:
        return self.form or self.body


def json_body(value: Any) -> Secret:
    return Secret(json.dumps(value, separators=(",", ":")))


class VendorHttp:
    """The HTTP of one call: counts its requests and ends with its deadline."""

    def __init__(
        self,
        networks: tuple[Network, ...],
        limits: Limits | None = None,
        *,
        reach: Reach,
        pace: Pace | None = None,
        breaker: Breaker | None = None,
        withholds: bool = False,
    ) -> None:
        """`withholds`: what would change something is kept in `withheld`, and not sent."""
        self._networks = networks
        self._reach = reach
        self._pace = pace
        self._breaker = breaker
        self._limits = limits or Limits()
        self._deadline = time.monotonic() + self._limits.total_seconds
        self.requests = 0
        self.bytes = 0  # of the bodies of all requests and answers
        self.may_have_changed = False
        self.withheld: Request | None = None
        self._withholds = withholds
        self.exchanges: list[Exchange] = []  # the first of them, for the record

    def send(self, request: Request) -> Answer:
        """VendorError, raised here and not below: the frames that saw the bytes are gone by then."""
        if request.changes and self._withholds:
            self.withheld = request
            raise VendorError("withheld")
        if self._breaker:
            self._breaker.admit()
        outcome = self._paced(request)
        if outcome == "stale" and request.method == "GET" and not request.changes:
            outcome = self._paced(request)
        if self._breaker:
            self._breaker.note(failed=_is_trouble(outcome))
        if request.changes and _may_be_done(outcome):
            self.may_have_changed = True
        if isinstance(outcome, str):
            raise VendorError(_MEANING.get(outcome, outcome))
        if self._pace and outcome.status == TOO_MANY_REQUESTS:
            self._pace.hold(seconds_to_wait(outcome))
        return outcome

    def hold_back(self, seconds: int) -> None:
        """For vendors that say in another way than by 429 that nobody is to ask for a while."""
        if self._pace:
            self._pace.hold(seconds)

    def _paced(self, request: Request) -> Answer | str:
        if self._pace:
            self._pace.take()
        began, sent = time.monotonic(), self.requests
        with span("vendor request", "CLIENT", method=request.method) as traced:
            outcome = self._attempt(request)
            traced.set(**({"outcome": outcome} if isinstance(outcome, str) else {"status": outcome.status}))
        if self.requests > sent and len(self.exchanges) < MOST:
            self.exchanges.append(_exchange(request, outcome, time.monotonic() - began))
        return outcome

    def _attempt(self, request: Request) -> Answer | str:
        try:
            return self._exchange(request)
        except VendorError as error:
            return error.code
        except AddressRefused:
            return "vendor_address_refused"
        except httpcore2.TimeoutException as error:
            never_sent = isinstance(error, httpcore2.ConnectTimeout | httpcore2.PoolTimeout)
            return "unsent" if never_sent else "vendor_timeout"
        except (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError):
            return "stale"  # usually a kept connection that the other side has just closed
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, OSError, ValueError):
            return "vendor_unreachable"

    def _exchange(self, request: Request) -> Answer:
        if not self._reach.admits(request.url):
            raise AddressRefused
        self.requests += 1
        tell_request(self.requests)
        pool = self._pool_for(request.url)
        headers = _headers(request)
        content = request.content.reveal() if request.content else None
        extensions = {"timeout": self._timeouts()}
        self.bytes += len(content or b"")
        with pool.stream(
            request.method, request.url, headers=headers, content=content, extensions=extensions
        ) as response:
            received = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in response.headers}
            return Answer(response.status, received, self._read(response.iter_stream()))

    def _pool_for(self, url: str) -> httpcore2.ConnectionPool:
        scheme = urlsplit(url).scheme
        if scheme not in {"http", "https"}:
            raise AddressRefused
        return pools(self._networks).https if scheme == "https" else pools(self._networks).http

    def _timeouts(self) -> dict[str, float]:
        left = self._left()
        connect, read = min(self._limits.connect_seconds, left), min(self._limits.read_seconds, left)
        return {"connect": connect, "read": read, "write": read, "pool": connect}

    def _read(self, chunks: Iterable[bytes]) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            self.bytes += len(chunk)
            if len(body) > self._limits.response_bytes:
                raise VendorError("vendor_oversize")
            self._left()
        return bytes(body)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise VendorError("vendor_timeout")
        return left


def _is_trouble(outcome: Answer | str) -> bool:
    """No answer, or one that says the vendor is broken. That it limits or refuses us is not."""
    if isinstance(outcome, str):
        return outcome in _TROUBLE
    return outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _may_be_done(outcome: Answer | str) -> bool:
    """Unless it was never sent, or the vendor said that it refuses."""
    if isinstance(outcome, str):
        return outcome not in _UNSENT
    return outcome.status not in _REFUSED or outcome.status in _UNDECIDED


def _exchange(request: Request, outcome: Answer | str, seconds: float) -> Exchange:
    status, trouble = (0, outcome) if isinstance(outcome, str) else (outcome.status, "")
    return Exchange(request.method, template(request.url), status, round(seconds * 1000), trouble)


def _headers(request: Request) -> list[tuple[str, str]]:
    headers = [("Host", urlsplit(request.url).netloc.rpartition("@")[2])]
    headers += [(name, value.reveal_text()) for name, value in request.headers.items()]
    if not any(name.lower() == "accept" for name in request.headers):
        headers.append(("Accept", "application/json"))
    headers += [("User-Agent", "msplex"), ("Accept-Encoding", "identity")]
    if request.authorization:
        headers.append(("Authorization", request.authorization.reveal_text()))
    if request.content:
        headers.append(("Content-Type", "application/x-www-form-urlencoded" if request.form else request.media_type))
        headers.append(("Content-Length", str(len(request.content.reveal()))))
    return headers
