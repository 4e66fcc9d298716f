"""Where one connection may send requests: to the addresses it was set up with, and to what its connector declares.

Whatever an answer of the vendor, a discovery document or a bug in a connector names besides is refused before a name
is resolved. connectors.network then looks at the address.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]  # scheme, host, port


@dataclass(frozen=True, slots=True)
class Reach:
    """`domains`: hosts, or with a leading dot everything below; by HTTPS on its own port only."""

    origins: frozenset[Origin] = frozenset()
    domains: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any], bound: Iterable[str], domains: tuple[str, ...]) -> "Reach":
        """`bound`: the settings that the secret is bound to. Those that are addresses may be called."""
        return cls(frozenset(_origins(settings.get(name) for name in bound)), domains)

    def admits(self, url: str) -> bool:
        origin = origin_of(url)
        return origin is not None and (origin in self.origins or self._is_below(origin))

    def _is_below(self, origin: Origin) -> bool:
        scheme, host, port = origin
        if (scheme, port) != ("https", PORTS["https"]):
            return False
        return any(host.endswith(domain) if domain.startswith(".") else host == domain for domain in self.domains)


def _origins(values: Iterable[Any]) -> Iterator[Origin]:
    for value in values:
        origin = origin_of(value) if isinstance(value, str) else None
        if origin:
            yield origin


def origin_of(url: str) -> Origin | None:
    """None for what is no address of HTTP."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.rstrip("."), port
