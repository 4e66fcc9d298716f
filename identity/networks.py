"""Ranges of addresses (CIDR) that a service account may come from."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from tenants.errors import Invalid

Network = IPv4Network | IPv6Network
MOST = 16


@lru_cache(maxsize=1024)
def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in text.split())


def is_within(address: str, networks: str) -> bool:
    """An address that cannot be read is within nothing."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in _networks(networks))


def normal_networks(given: list[str]) -> str:
    """As they are kept. Invalid names the one that is none."""
    kept = []
    for each in given:
        try:
            kept.append(str(ip_network(each.strip())))
        except ValueError as error:
            message = f"{each[:50]} is not a range of addresses, such as 203.0.113.0/24."
            raise Invalid(message, field="networks", code="network_invalid") from error
    if len(kept) > MOST:
        raise Invalid(f"Give at most {MOST} ranges.", field="networks", code="networks_too_many")
    return " ".join(dict.fromkeys(kept))
