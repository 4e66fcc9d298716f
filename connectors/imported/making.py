"""An imported tool as it would be called now, whether or not it is exposed."""

from connectors.catalogue import find
from connectors.contract import Tool
from connectors.imported.building import build
from connectors.models import ImportedTool
from tenants.errors import Invalid


def made(tool: ImportedTool) -> Tool:
    """LookupError or ValueError when it cannot be made."""
    entry = find(tool.instance.connector)
    if entry is None or entry.fetch is None:
        raise LookupError(tool.instance.connector)
    exposed = ImportedTool.objects.filter(instance=tool.instance_id, state=ImportedTool.State.EXPOSED)
    return build(tool, {each.name: each for each in exposed.exclude(id=tool.pk)}, entry.fetch)


def made_or_invalid(tool: ImportedTool) -> Tool:
    try:
        return made(tool)
    except (LookupError, ValueError) as error:
        message = (
            "What this tool hangs on has to be an exposed tool that reads, by an argument of that name, and hangs on"
            " nothing itself."
        )
        raise Invalid(message, field="parent", code="parent_unusable") from error
