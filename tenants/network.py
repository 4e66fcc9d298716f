"""Where outgoing connections may go. Every HTTP client of ours that is sent somewhere by data uses this backend."""

import ipaddress
import socket
from collections.abc import Iterable

import httpcore2

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Global by number, yet ways to reach an IPv4 address that is not: NAT64, 6to4, Teredo.
TRANSLATED = tuple(ipaddress.ip_network(name) for name in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
SocketOptions = Iterable[httpcore2.SOCKET_OPTION] | None


class AddressRefused(httpcore2.ConnectError):
    pass


class GuardedBackend(httpcore2.NetworkBackend):
    """Resolves once, refuses unless every address may be called, and connects to the address it looked at."""

    def __init__(self, networks: tuple[Network, ...], *, public: bool) -> None:
        self._networks = networks
        self._public = public
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore2.NetworkStream:
        addresses = resolve(host, port)
        if not addresses or not all(self._permits(address) for address in addresses):
            raise AddressRefused
        return self._backend.connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)

    def connect_unix_socket(self, *_args: object, **_kwargs: object) -> httpcore2.NetworkStream:
        raise AddressRefused

    def _permits(self, address: Address) -> bool:
        if _within(address, self._networks):
            return True
        return self._public and address.is_global and not address.is_multicast and not _within(address, TRANSLATED)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore2.ConnectError from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
    return [getattr(address, "ipv4_mapped", None) or address for address in addresses]
