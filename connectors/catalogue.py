"""Every connector of this release, listed by hand."""

from connectors.contract import Connector, Narrowing, Risk, Tier, Tool
from connectors.imported.entries import MCP, OPENAPI
from connectors.vendors.connectwise.connector import CONNECTWISE
from connectors.vendors.halopsa.connector import HALOPSA
from connectors.vendors.hudu.connector import HUDU
from connectors.vendors.itglue.connector import ITGLUE
from connectors.vendors.ninjaone.connector import NINJAONE
from connectors.vendors.pax8.connector import PAX8
from tenants.errors import NotFound

__all__ = ["Connector", "Narrowing", "Risk", "Tier", "Tool", "all_connectors", "connector", "find", "tool"]

_ENTRIES = (
    HALOPSA,
    CONNECTWISE,
    HUDU,
    ITGLUE,
    NINJAONE,
    PAX8,
    MCP,
    OPENAPI,
)
_CONNECTORS = {entry.key: entry for entry in _ENTRIES}


def all_connectors() -> tuple[Connector, ...]:
    return tuple(_CONNECTORS.values())


def find(key: str) -> Connector | None:
    return _CONNECTORS.get(key)


def connector(key: str) -> Connector:
    entry = _CONNECTORS.get(key)
    if entry is None:
        message = "There is no such connector."
        raise NotFound(message)
    return entry


def tool(key: str, name: str) -> Tool:
    entry = connector(key).tool(name)
    if entry is None:
        message = "There is no such tool."
        raise NotFound(message)
    return entry
