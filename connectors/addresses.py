"""Where a connection's own settings may send its credential."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError


def clean_address(value: str, *, domains: tuple[str, ...] = ()) -> str:
    """An address without a path, or ValidationError with the remedy.

    `domains`: the vendor's own, where it has no others; empty for what people run themselves. Plain HTTP, and another
    host than the vendor's, only where the operator has listed networks of their own (MSPLEX_VENDOR_NETWORKS).
    """
    address = value.strip().rstrip("/")
    parts = _split(address)
    if parts.scheme == "http" and not settings.VENDOR_NETWORKS:
        message = "The address must start with https://"
        raise ValidationError(message, code="address")
    if parts.query or parts.fragment or parts.path:
        message = "Give the address only, without a path."
        raise ValidationError(message, code="address")
    if domains and not _is_of(parts, domains) and not _is_listed(parts.hostname or ""):
        message = f"The address must be https:// and end with {' or '.join(domains)}"
        raise ValidationError(message, code="address")
    return address


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:  # a port or a bracket that is none
        usable = False
    if not usable or not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        message = "Give an address that starts with https://"
        raise ValidationError(message, code="address")
    return parts


def _is_of(parts: SplitResult, domains: tuple[str, ...]) -> bool:
    host = parts.hostname or ""
    named = any(host == domain or host.endswith(f".{domain}") for domain in domains)
    return named and parts.scheme == "https" and parts.port in {None, 443}


def _is_listed(host: str) -> bool:
    """By number only: a name would be looked up anew at each call."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in settings.VENDOR_NETWORKS)
