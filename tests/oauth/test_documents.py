"""Client id metadata documents: what a stranger's address may do to us, which is nothing."""

import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.test import Client as Browser

from identity.oauth import clients, documents
from identity.oauth.documents import fetch_document
from identity.oauth.errors import DocumentRefused
from tests.oauth.flow import CALLBACK, McpClient, answer_of, bob

HOME = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


class Host(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        getattr(self, self.path.strip("/").split(".")[0])()

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def _send(self, body: bytes, kind: str = "application/json", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        host = f"https://localhost:{self.server.server_port}"
        body = {"client_id": f"{host}/good.json", "client_name": "Documented", "redirect_uris": [CALLBACK]}
        self._send(json.dumps(body).encode())

    def other(self) -> None:
        self._send(json.dumps({"client_id": "https://localhost/else", "redirect_uris": [CALLBACK]}).encode())

    def huge(self) -> None:
        self._send(b'"' + b"x" * documents.MOST_BYTES + b'"')

    def html(self) -> None:
        self._send(b"{}", "text/html")

    def broken(self) -> None:
        self._send(b"{")

    def gone(self) -> None:
        self._send(b"{}", status=404)

    def elsewhere(self) -> None:
        self._send(b"{}", status=302, Location="/good.json")

    def slow(self) -> None:
        """A byte now and then: no single wait is long."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)


@pytest.fixture
def host(certificate) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHost", (Host,), {"asked": []}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def trust(certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def at_home(monkeypatch, trust):
    """As if the host of these tests were on the internet."""
    monkeypatch.setattr(documents, "fetch_document", lambda url: fetch_document(url, networks=HOME, trust=trust))


def test_a_good_document_is_read(host, trust):
    assert fetch_document(f"{host}/good.json", networks=HOME, trust=trust)["client_name"] == "Documented"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("huge", "too long"),
        ("html", "not JSON"),
        ("broken", "not JSON"),
        ("gone", "answered 404"),
        ("elsewhere", "answered 302"),
    ],
)
def test_whatever_is_not_a_small_json_document_is_refused(host, trust, what, why):
    with pytest.raises(DocumentRefused, match=why):
        fetch_document(f"{host}/{what}.json", networks=HOME, trust=trust)


def test_a_drip_of_bytes_does_not_hold_us(host, trust, monkeypatch):
    monkeypatch.setattr(documents, "SECONDS", 1.0)
    started = time.monotonic()

    with pytest.raises(DocumentRefused):
        fetch_document(f"{host}/slow.json", networks=HOME, trust=trust)
    assert time.monotonic() - started < 2.5


def test_a_certificate_that_nobody_vouches_for_is_refused(host):
    with pytest.raises(DocumentRefused):
        fetch_document(f"{host}/good.json", networks=HOME)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/c.json", "https://localhost", "https://localhost/", "https://u:p@localhost/c",
        "https://localhost/c#f",
        "https://localhost/../c", "https://localhost:22/c", "https://localhost:99999/c", "https:///c", "file:///etc/passwd",
        "https://localhost/c d",
    ],
)  # fmt: skip
def test_an_address_that_is_not_plain_is_not_even_looked_up(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("looked up"))

    with pytest.raises(DocumentRefused):
        fetch_document(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "0.0.0.0",
    ],
)
def test_inside_addresses_are_never_connected_to(address, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)
    monkeypatch.setattr(documents.httpcore2.SyncBackend, "connect_tcp", lambda *_a, **_k: pytest.fail("connected"))

    with pytest.raises(DocumentRefused):
        fetch_document("https://client.example/c.json")


def test_the_real_endpoint_does_not_reach_this_machine(host):
    page = McpClient(f"{host}/good.json").authorize(Browser())

    assert page.status_code == 400


def test_only_so_many_are_fetched_at_once(monkeypatch):
    monkeypatch.setattr(documents, "_turns", threading.BoundedSemaphore(1))
    documents._turns.acquire()

    with pytest.raises(DocumentRefused, match="too many"):
        fetch_document("https://client.example/c.json")


@pytest.mark.usefixtures("at_home")
def test_a_document_must_name_its_own_address(host):
    assert clients.find_client(f"{host}/other.json") is None
    assert clients.find_client(f"{host}/good.json").has_document


@pytest.mark.usefixtures("at_home")
def test_a_documented_client_is_shown_with_its_host_and_gets_its_tokens(host):
    person = bob()
    client = McpClient(f"{host}/good.json")
    browser = person.browser()
    page = browser.get(client.authorize(browser)["Location"]).content.decode()

    tokens = client.exchange(answer_of(client.consent(browser, person.world.customers[0]))["code"])

    assert "Published by <strong>localhost</strong>" in page
    assert "Unverified" not in page
    assert tokens.status_code == 200
