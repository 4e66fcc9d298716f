"""A connection reaches what it was set up with and what its connector declares; nothing else is even resolved."""

import socket
from typing import Any

import pytest

from connectors.catalogue import all_connectors
from connectors.contract import Connector
from connectors.egress import Reach
from connectors.errors import VendorError
from connectors.execution import Job, execute
from connectors.network import Request, VendorHttp
from connectors.vendors.halopsa.client import HaloClient
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor

SETTINGS = {"base_url": "https://acme.halopsa.com", "client_id": "https://not-an-address-of-the-vendor.example", "n": 3}
REACH = Reach.of(SETTINGS, ("base_url", "n", "absent"), (".halo.example", "sign-in.example"))


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.halopsa.com/api/Tickets",
        "https://ACME.halopsa.com:443/",
        "https://acme.halopsa.com./",
        "https://sign-in.example/token",
        "https://a.b.halo.example/",
    ],
)
def test_its_own_addresses_are_reached(url: str) -> None:
    assert REACH.admits(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.halopsa.com/",
        "https://acme.halopsa.com:8443/",
        "https://other.halopsa.com/",
        "https://acme.halopsa.com.evil.example/",
        "https://acme.halopsa.com@evil.example/",
        "https://evil.example/?https://acme.halopsa.com",
        "https://not-an-address-of-the-vendor.example/",
        "https://x.sign-in.example/",
        "https://halo.example/",
        "https://evilhalo.example/",
        "http://a.halo.example/",
        "https://a.halo.example:444/",
        "ftp://acme.halopsa.com/",
        "file:///etc/passwd",
        "https://acme.halopsa.com:x/",
        "//acme.halopsa.com/",
        "",
    ],
)
def test_nothing_else_is(url: str) -> None:
    assert not REACH.admits(url)


def test_it_is_refused_before_a_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("it was resolved"))
    http = VendorHttp((), reach=REACH)

    with pytest.raises(VendorError) as caught:
        http.send(Request("GET", "https://evil.example/"))

    assert (caught.value.code, http.requests) == ("vendor_address_refused", 0)


@pytest.mark.parametrize("connector", all_connectors(), ids=lambda connector: connector.key)
def test_a_connector_declares_no_more_than_it_needs(connector: Connector) -> None:
    """No whole top-level domain, and at least one setting that says where."""
    assert all(domain.strip(".").count(".") >= 1 for domain in connector.domains)
    assert connector.reach(dict.fromkeys(connector.bound_fields, "https://api.example")).origins


@pytest.mark.usefixtures("broker")
def test_a_tool_that_asks_elsewhere_does_not_get_there(
    connected: ConnectedWorld, vendor: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in under another name: it would answer, and the address may be called."""
    elsewhere = vendor.url.replace("127.0.0.1", "localhost")

    def get(self: Any, path: str, *_: Any) -> Any:
        return self._connection.http.send(Request("GET", f"{elsewhere}/api{path}"))

    monkeypatch.setattr(HaloClient, "get", get)
    vendor.reset()
    with as_role("app"):
        call = connected.call()

    with acting_for(Context(connected.tenant.id)), pytest.raises(VendorError) as caught:
        execute(Job(call, connected.instance, connected.mappings[0]))

    assert (caught.value.code, vendor.seen()["total"]) == ("vendor_address_refused", 0)
