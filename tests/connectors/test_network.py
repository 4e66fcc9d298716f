"""Where the broker may connect to, and how much it will listen."""

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors import network
from connectors.errors import VendorError
from connectors.network import GuardedBackend, Limits, Request, VendorHttp
from connectors.vendors.halopsa.client import _same_house
from tests.connectors.vendor import ANYWHERE, StubVendor

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
INSIDE = [
    "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "10.0.0.1", "172.16.3.4",
    "192.168.1.1", "100.64.0.1", "169.254.169.254", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "224.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_inside_are_refused_before_a_connection(
    scheme: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network.httpcore2.SyncBackend, "connect_tcp", _never)

    with pytest.raises(VendorError) as caught:
        VendorHttp((), reach=ANYWHERE).send(Request("GET", f"{scheme}://{host}/api/authinfo"))

    assert caught.value.code == "vendor_address_refused"


def _never(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("it connected")


def test_plain_http_does_not_go_to_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolves_to(monkeypatch, "93.184.216.34")
    monkeypatch.setattr(network.httpcore2.SyncBackend, "connect_tcp", _never)

    with pytest.raises(VendorError) as caught:
        VendorHttp(LOOPBACK, reach=ANYWHERE).send(Request("GET", "http://vendor.example/api/authinfo"))

    assert caught.value.code == "vendor_address_refused"


def test_one_address_inside_among_several_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolves_to(monkeypatch, "93.184.216.34", "10.0.0.7")
    monkeypatch.setattr(network.httpcore2.SyncBackend, "connect_tcp", _never)

    with pytest.raises(VendorError) as caught:
        VendorHttp((), reach=ANYWHERE).send(Request("GET", "https://vendor.example/api/authinfo"))

    assert caught.value.code == "vendor_address_refused"


def test_threads_that_begin_at_once_share_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making them reads every certificate authority of the system: a tenth of a second for each thread."""
    made: list[object] = []
    real = network._pool
    monkeypatch.setattr(network, "_pool", lambda backend: made.append(backend) or time.sleep(0.1) or real(backend))
    networks = (ipaddress.ip_network("192.0.2.0/24"),)  # of nobody else's calls

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: network.pools(networks), range(8)))

    assert len(made) == 2  # for https and for http
    assert all(each is found[0] for each in found)


def test_it_connects_to_the_address_it_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolves_to(monkeypatch, "93.184.216.34")
    asked: list[str] = []
    monkeypatch.setattr(network.httpcore2.SyncBackend, "connect_tcp", lambda _self, host, *_a: asked.append(host))

    GuardedBackend((), public=True).connect_tcp("vendor.example", 443)

    assert asked == ["93.184.216.34"]


def _resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "//127.0.0.1/", ""])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(VendorError) as caught:
        VendorHttp(LOOPBACK, reach=ANYWHERE).send(Request("GET", url))

    assert caught.value.code == "vendor_address_refused"


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(VendorError) as caught:
            VendorHttp(LOOPBACK, reach=ANYWHERE).send(Request("GET", f"http://127.0.0.1:{port}/"))

    assert (caught.value.code, caught.value.retryable) == ("vendor_unreachable", True)


def test_a_call_ends_at_its_deadline_however_slowly_the_vendor_drips() -> None:
    began = time.monotonic()

    with _dripping() as url, pytest.raises(VendorError) as caught:
        VendorHttp(LOOPBACK, Limits(read_seconds=1.0, total_seconds=0.5), reach=ANYWHERE).send(Request("GET", url))

    assert caught.value.code == "vendor_timeout"
    assert time.monotonic() - began < 1.5


def test_no_request_is_sent_after_the_deadline() -> None:
    http = VendorHttp(LOOPBACK, Limits(total_seconds=0.0), reach=ANYWHERE)

    with pytest.raises(VendorError) as caught:
        http.send(Request("GET", "http://127.0.0.1:9/"))

    assert caught.value.code == "vendor_timeout"


@contextlib.contextmanager
def _dripping() -> Iterator[str]:
    """A server that never stops sending, a byte at a time."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
            while not stop.wait(0.05):
                connection.sendall(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        stop.set()
        thread.join()
        listener.close()


def test_answers_are_asked_for_uncompressed_and_without_cookies(vendor: StubVendor) -> None:
    answer = VendorHttp(LOOPBACK, reach=ANYWHERE).send(Request("GET", f"{vendor.url}/api/authinfo"))

    assert (answer.status, answer.json()["tenant_id"]) == (200, "stub")
    assert "stub" not in repr(answer)


@pytest.mark.parametrize(
    ("base", "authority", "allowed"),
    [
        ("https://acme.halopsa.com", "https://acme.halopsa.com/auth", True),
        ("https://acme.halopsa.com", "https://auth.haloservicedesk.com/auth", True),
        ("https://halo.acme.example", "https://halo.acme.example/auth", True),
        ("https://halo.acme.example", "https://evil.example/auth", False),
        ("https://acme.halopsa.com", "https://halopsa.com.evil.example/auth", False),
        ("https://acme.halopsa.com", "https://evilhalopsa.com/auth", False),
        ("https://acme.halopsa.com", "http://acme.halopsa.com/auth", False),
        ("https://halo.acme.example", "https://halo.acme.example@evil.example/auth", False),
        ("https://halo.acme.example", "https://halo.acme.example:8443/auth", False),
    ],
)
def test_discovery_cannot_send_the_secret_elsewhere(base: str, authority: str, allowed: bool) -> None:
    assert _same_house(base, authority) is allowed


@contextlib.contextmanager
def _hanging_up() -> Iterator[tuple[str, list[bytes]]]:
    """Takes each request, and says nothing: as a kept connection that has just been closed."""
    server, taken = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    taken.append(connection.recv(65536))

    threading.Thread(target=serve, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", taken


@pytest.mark.parametrize(("changes", "sent"), [(False, 2), (True, 1)])
def test_a_get_is_tried_again_unless_it_changes_something(changes: bool, sent: int) -> None:
    http = VendorHttp(LOOPBACK, reach=ANYWHERE)
    with _hanging_up() as (url, taken), pytest.raises(VendorError):
        http.send(Request("GET", url, changes=changes))

    assert (len(taken), http.may_have_changed) == (sent, changes)


def test_a_dry_run_sends_nothing_that_changes_something() -> None:
    http = VendorHttp(LOOPBACK, reach=ANYWHERE, withholds=True)
    with _hanging_up() as (url, taken), pytest.raises(VendorError) as caught:
        http.send(Request("GET", url, changes=True))

    assert (caught.value.code, taken, http.requests, http.may_have_changed) == ("withheld", [], 0, False)
    assert http.withheld is not None
