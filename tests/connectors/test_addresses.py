import ipaddress
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from connectors.addresses import clean_address

DOMAINS = ("vendor.example",)
REFUSED = [
    "ftp://vendor.example", "vendor.example", "https://", "https://user@vendor.example", "https://vendor.example/v1",
    "https://vendor.example?a=b", "https://vendor.example#a", "https://vendor.example:999999", "https://[::1",
    "https://vendor example", "https://vendor.example\\@evil.example", "https://vend\u00f6r.example", "",
]  # fmt: skip
ELSEWHERE = [
    "https://evil.example", "https://vendor.example.evil.example", "https://notvendor.example",
    "https://vendor.example:8443", "http://vendor.example", "https://127.0.0.1.nip.io", "http://10.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", ["https://vendor.example", " https://eu.vendor.example/ "])
def test_the_vendors_own_domain_is_taken(address: str) -> None:
    assert clean_address(address, domains=DOMAINS) == address.strip().rstrip("/")


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        clean_address(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_credential_goes_nowhere_but_to_the_vendor(address: str) -> None:
    with pytest.raises(ValidationError):
        clean_address(address, domains=DOMAINS)


def test_the_operators_own_networks_are_exempt_and_by_number_only(settings: Any) -> None:
    settings.VENDOR_NETWORKS = (ipaddress.ip_network("10.0.0.0/8"),)

    assert clean_address("http://10.1.2.3:8080", domains=DOMAINS) == "http://10.1.2.3:8080"
    for address in ("http://127.0.0.1", "http://localhost", "http://10.1.2.3.nip.io"):
        with pytest.raises(ValidationError):
            clean_address(address, domains=DOMAINS)


def test_plain_http_needs_a_network_of_the_operators(settings: Any) -> None:
    settings.VENDOR_NETWORKS = ()

    with pytest.raises(ValidationError, match="https://"):
        clean_address("http://halo.acme.example")
