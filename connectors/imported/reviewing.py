"""What an administrator decides of an imported tool: how it is held to one customer, whether it is exposed, or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from connectors.catalogue import find
from connectors.contract import Risk, Tier, Tool
from connectors.imported.building import build
from connectors.imported.declaration import Declaration, check
from connectors.imported.discovery import about
from connectors.models import ImportedTool
from connectors.shapes import text
from tenants.errors import Conflict, Invalid, NotFound

State = ImportedTool.State
TITLE_LENGTH, DESCRIPTION_LENGTH = 200, 2000
_ORDER = (Risk.READ, Risk.WRITE, Risk.DESTRUCTIVE)


@dataclass(frozen=True, slots=True)
class Classification:
    """All that is said of a tool. Callers see title and description, and nothing that its server says."""

    title: str
    description: str
    risk: Risk
    tier: Tier
    declaration: Declaration


def least_risk(definition: Mapping[str, Any], declared: Declaration) -> Risk:
    """What nobody may call harmless. A server that says that its tool changes something is believed; else it is not.
    Of a POST a person may say that it only reads, as many a search does."""
    method = definition.get("method")
    if method is not None:
        least = {"GET": Risk.READ, "DELETE": Risk.DESTRUCTIVE}.get(method, Risk.WRITE)
        return Risk.READ if method == "POST" and declared.only_reads else least
    hints = definition.get("annotations")
    return Risk.WRITE if isinstance(hints, Mapping) and hints.get("readOnlyHint") is False else Risk.READ


@transaction.atomic
def classify_tool(tool: ImportedTool, *, seen_digest: str, terms: Classification, by: Actor) -> ImportedTool:
    """`seen_digest`: of the definition that the person looked at. It is not exposed by that, nor any longer."""
    tool = _locked(tool)
    if not tool.seen_digest:
        raise Conflict("The server does not offer this tool any more.", code="tool_gone")
    if seen_digest != tool.seen_digest:
        raise Conflict("The server describes the tool differently meanwhile; look at it again.", code="tool_changed")
    _check(terms, tool.seen)
    tool.title, tool.description = _plain(terms.title), _plain(terms.description)
    tool.risk, tool.tier, tool.declaration = terms.risk.value, terms.tier.value, terms.declaration.as_json()
    tool.pinned, tool.pinned_digest = tool.seen, tool.seen_digest
    tool.classified_at, tool.classified_by = timezone.now(), by.label[:200]
    tool.state = State.DISCOVERED
    _made(tool)
    tool.save(update_fields=[
        "title", "description", "risk", "tier", "declaration", "pinned", "pinned_digest", "classified_at",
        "classified_by", "state",
    ])  # fmt: skip
    body = {"declaration": tool.declaration, "definition": tool.pinned_digest, "risk": tool.risk, "tier": tool.tier}
    record(EventKind.TOOL_CLASSIFIED, actor=by, **about(tool), body=body)
    return tool


@transaction.atomic
def expose_tool(tool: ImportedTool, *, by: Actor) -> ImportedTool:
    """From now on it is a tool of the connection, for those whose roles and rules allow it."""
    tool = _locked(tool)
    if tool.state == State.EXPOSED:
        return tool
    if not tool.pinned_digest:
        raise Conflict("Declare first how the tool is held to one customer.", code="tool_not_classified")
    if tool.seen_digest != tool.pinned_digest:
        raise Conflict("The server describes the tool differently now: review it first.", code="tool_changed")
    _made(tool)
    tool.state, tool.exposed_at, tool.exposed_by = State.EXPOSED, timezone.now(), by.label[:200]
    tool.save(update_fields=["state", "exposed_at", "exposed_by"])
    body = {"declaration": tool.declaration, "definition": tool.pinned_digest, "risk": tool.risk}
    record(EventKind.TOOL_EXPOSED, actor=by, **about(tool), body=body)
    return tool


@transaction.atomic
def withdraw_tool(tool: ImportedTool, *, by: Actor) -> ImportedTool:
    tool = _locked(tool)
    if tool.state != State.EXPOSED:
        return tool
    tool.state = State.WITHDRAWN
    tool.save(update_fields=["state"])
    record(EventKind.TOOL_WITHDRAWN, actor=by, **about(tool))
    return tool


def made(tool: ImportedTool) -> Tool:
    """As it would be called. LookupError or ValueError when it cannot be made."""
    entry = find(tool.instance.connector)
    if entry is None or entry.fetch is None:
        raise LookupError(tool.instance.connector)
    exposed = ImportedTool.objects.filter(instance=tool.instance_id, state=State.EXPOSED).exclude(id=tool.pk)
    return build(tool, {each.name: each for each in exposed}, entry.fetch)


def _made(tool: ImportedTool) -> None:
    try:
        made(tool)
    except (LookupError, ValueError) as error:
        message = (
            "What this tool hangs on has to be an exposed tool that reads, by an argument of that name, and hangs on"
            " nothing itself."
        )
        raise Invalid(message, field="parent", code="parent_unusable") from error


def _check(terms: Classification, definition: Mapping[str, Any]) -> None:
    least = least_risk(definition, terms.declaration)
    if _ORDER.index(terms.risk) < _ORDER.index(least):
        raise Invalid(f"It changes something, so it is at least {least.value}.", field="risk", code="risk_too_low")
    for field, most in (("title", TITLE_LENGTH), ("description", DESCRIPTION_LENGTH)):
        said = _plain(getattr(terms, field))
        if not said or len(said) > most:
            raise Invalid(f"Say it in 1 to {most} characters; agents read it.", field=field)
    check(terms.declaration, definition, terms.risk)


def _plain(said: str) -> str:
    return (text(said, DESCRIPTION_LENGTH + 1) or "").strip()


def _locked(tool: ImportedTool) -> ImportedTool:
    found = ImportedTool.objects.select_for_update(of=("self",)).select_related("instance").filter(id=tool.pk).first()
    if found is None:
        raise NotFound
    return found
