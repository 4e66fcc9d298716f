"""What is written down of a request to a vendor holds no id, no key and no value."""

import ipaddress
import socket
import threading

import pytest

from connectors import exchanges
from connectors.errors import VendorError
from connectors.exchanges import LONGEST_PATH, template
from connectors.network import Request, VendorHttp
from connectors.secret import Secret
from tests.connectors.vendor import ANYWHERE

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
SECRET = "sk_live_51H8xYz"
CLOSED = b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 7\r\nConnection: close\r\n\r\nseven b"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://acme.halopsa.com/api/Tickets?client_id=11&page_no=1", "/api/Tickets?client_id,page_no"),
        ("https://h/api/Tickets/4711", "/api/Tickets/{}"),
        (
            "https://h/v4_6/v2/company/companies/0190-ab?conditions=name%3D%22x%22",
            "/{}/v2/company/companies/{}?conditions",
        ),
        (f"https://h/hooks/{SECRET}/send", "/hooks/{}/send"),
        ("https://h/api?4f&a%20b=1", "/api?{}"),
        (f"https://user:{SECRET}@h/api/a", "/api/a"),
        ("https://h", ""),
        ("https://h/" + "a/" * 300, ("/" + "a/" * 300)[:LONGEST_PATH]),
    ],
)
def test_a_path_is_kept_as_a_template(url: str, path: str) -> None:
    assert template(url) == path


@pytest.fixture
def port() -> int:
    """Answers every request with seven bytes, and hangs up."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(CLOSED)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_an_answer_and_a_silence_are_both_noted(port: int) -> None:
    http = VendorHttp(LOOPBACK, reach=ANYWHERE)
    http.send(Request("GET", f"http://127.0.0.1:{port}/api/Tickets/7"))
    with pytest.raises(VendorError):
        http.send(Request("GET", "http://127.0.0.1:1/api/Tickets"))

    answered, silent = http.exchanges
    assert (answered.method, answered.path, answered.status, answered.trouble) == ("GET", "/api/Tickets/{}", 207, "")
    assert (silent.status, silent.trouble) == (0, "vendor_unreachable")
    assert silent.as_json().keys() == {"method", "ms", "path", "status", "trouble"}


def test_bytes_of_bodies_are_counted_both_ways_and_those_of_a_failure_too(port: int) -> None:
    http = VendorHttp(LOOPBACK, reach=ANYWHERE)
    http.send(Request("POST", f"http://127.0.0.1:{port}/", body=Secret(b"12345")))
    with pytest.raises(VendorError):
        http.send(Request("POST", "http://127.0.0.1:1/", body=Secret(b"123")))

    assert http.bytes == 5 + len("seven b") + 3


def test_a_call_that_asks_without_end_is_noted_up_to_a_limit(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.network.MOST", 2)
    http = VendorHttp(LOOPBACK, reach=ANYWHERE)
    for _ in range(3):
        http.send(Request("GET", f"http://127.0.0.1:{port}/"))

    assert (http.requests, len(http.exchanges)) == (3, 2)
    assert exchanges.MOST > 2
