"""The one place where the tools of a connection are looked up: those of the release, and those that were imported."""

from collections.abc import Iterable

from connectors.catalogue import find
from connectors.contract import Tool
from connectors.imported.building import build_all
from connectors.models import ConnectorInstance, ImportedTool


def tools_of(instance: ConnectorInstance, imported: Iterable[ImportedTool] = ()) -> tuple[Tool, ...]:
    """`imported`: the connection's rows; of those, what is exposed and can be made is a tool."""
    entry = find(instance.connector)
    if entry is None:
        return ()
    return entry.tools + (build_all(imported, entry.fetch) if entry.fetch else ())
