"""Which tool of a server lists its clients, and what is read of its answer: declared by people, asked by the broker.

It names everybody at once, so it is for suggestions of the mapping alone and is no tool by that: what of it is exposed
to callers, if anything, is another declaration (connectors.imported.reviewing).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from connectors.contract import Client, Connection, Fetch, Risk
from connectors.errors import VendorError
from connectors.imported.building import rows_at
from connectors.imported.declaration import Declaration, offered, values_of_rows
from connectors.imported.discovery import about
from connectors.imported.reviewing import least_risk
from connectors.models import ClientSource, ImportedTool
from connectors.paging import CLIENT_PAGES, clients_of
from connectors.shapes import Kind
from tenants.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Source:
    """Where the answer has its rows, and a row the client's id, name and web address; how it is asked for pages."""

    client_id: str
    name: str
    rows: str = ""
    domain: str = ""
    page: str = ""
    first_page: int = 1


@transaction.atomic
def declare_client_source(tool: ImportedTool, *, seen_digest: str, terms: Source, by: Actor) -> ClientSource:
    """In place of another one of the connection. `seen_digest`: of the definition that the person looked at."""
    tool = _locked(tool)
    if not tool.seen_digest:
        raise Conflict("The server does not offer this tool any more.", code="tool_gone")
    if seen_digest != tool.seen_digest:
        raise Conflict("The server describes the tool differently meanwhile; look at it again.", code="tool_changed")
    for field, problem in _problems(tool, terms):
        raise Invalid(problem, field=field or None, code="source_invalid")
    said = {"tool": tool, "pinned": tool.seen, "pinned_digest": tool.seen_digest, **asdict(terms)}
    said |= {"declared_at": timezone.now(), "declared_by": by.label[:200]}
    source, _ = ClientSource.objects.update_or_create(instance=tool.instance, defaults=said)
    body = {"source": asdict(terms), "definition": tool.seen_digest}
    record(EventKind.CLIENT_SOURCE_DECLARED, actor=by, **about(tool), body=body)
    return source


@transaction.atomic
def forget_client_source(tool: ImportedTool, *, by: Actor) -> None:
    if not ClientSource.objects.filter(tool=tool).delete()[0]:
        raise NotFound
    record(EventKind.CLIENT_SOURCE_FORGOTTEN, actor=by, **about(tool))


def terms_of(source: ClientSource) -> Source:
    return Source(**{each.name: getattr(source, each.name) for each in fields(Source)})


def can_list(tool: ImportedTool) -> bool:
    """Whether it could be declared at all: it reads, and says what its answer looks like."""
    return not list(_of_tool(tool))


def listing(source: ClientSource, fetch: Fetch) -> Callable[[Connection], list[Client]]:
    """For connectors.clients. The definition that was looked at is what is asked, or nothing (`tool_changed`)."""

    def page(connection: Connection, number: int) -> list[Any]:
        given = {source.page: source.first_page + number} if source.page else {}
        return rows_at(fetch(connection, source.pinned, given, False), source.rows)

    def clients(connection: Connection) -> list[Client]:
        pages = CLIENT_PAGES if source.page else 1
        return _every((page(connection, number) for number in range(pages)), source)

    return clients


def _every(pages: Iterator[list[Any]], source: ClientSource) -> list[Client]:
    """Until a page brings nobody new. A list of which no row has an id is another list than was declared."""
    found: dict[str, Client] = {}
    seen, ended = 0, not source.page
    for rows in pages:
        seen, known = seen + len(rows), len(found)
        of_page = clients_of(_always(rows), name=source.name, id_at=source.client_id, website=source.domain)
        found = {each.id: each for each in of_page} | found
        ended = ended or len(found) == known
        if ended:
            break
    if not ended:
        raise VendorError("vendor_oversize")
    if seen and not found:
        raise VendorError("vendor_shape")
    return list(found.values())


def _always(rows: list[Any]) -> Callable[[int, int], list[Any]]:
    return lambda _number, _size: rows


def _problems(tool: ImportedTool, terms: Source) -> Iterator[tuple[str, str]]:
    yield from _of_tool(tool)
    choices = offered(tool.seen)
    if terms.rows not in choices.rows:
        yield "rows", "Choose where the answer has its rows."
    values, _ = values_of_rows(tool.seen, terms.rows)
    if values.get(terms.client_id) not in {Kind.INTEGER, Kind.TEXT}:
        yield "client_id", "Choose the value of a row that is the client's id: a number or a text."
    if values.get(terms.name) is not Kind.TEXT:
        yield "name", "Choose the value of a row that is the client's name: a text."
    if terms.domain and values.get(terms.domain) is not Kind.TEXT:
        yield "domain", "Choose a text, such as the client's web address, or nothing."
    if terms.page and choices.arguments.get(terms.page, {}).get("type") != "integer":
        yield "page", "Choose the argument that takes the number of a page, or nothing."
    if missing := choices.required - {terms.page}:
        yield "page", f"The tool cannot be asked for everybody: it needs {', '.join(sorted(missing))[:200]}."


def _of_tool(tool: ImportedTool) -> Iterator[tuple[str, str]]:
    said = Declaration.of({"narrowing": "", "owner": "", **tool.declaration})
    if least_risk(tool.seen, said) is not Risk.READ or tool.risk not in {"", Risk.READ}:
        yield "", "It changes something. Only a tool that reads can list clients."
    elif not offered(tool.seen).is_typed:
        yield "", "The tool does not say what its answer looks like, so nothing of it could be checked."


def _locked(tool: ImportedTool) -> ImportedTool:
    found = ImportedTool.objects.select_for_update(of=("self",)).select_related("instance").filter(id=tool.pk).first()
    if found is None:
        raise NotFound
    return found
