"""What a dry run does in the broker: the tool as it is declared now, for one customer, under the whole narrowing.

It looks at what came and keeps counts, never a value. What changes something is not sent: it comes as far as its
request, through the same code, and the guard before it is asked like at any call.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from connectors.canary import leaks
from connectors.contract import Connection, Fetched, Narrowing, Tool
from connectors.errors import ExecutionError, OutputBlocked, VendorError
from connectors.execution import answer, parents_of
from connectors.narrowing import Narrowed, Owner, Owning, narrow
from connectors.network import Request

PROBLEMS = {
    "all_foreign": "Every row was somebody else's: the mapping, or the place of the owner, is another.",
    "fields_empty": "Some of the values that are given out were in no row.",
    "ignores_customer": "Rows of others came, although one customer was asked for: the filter is none.",
    "nothing_came": "No row came. Try a customer, or arguments, for whom there is something.",
    "owner_never_found": "No row named an owner where the declaration says it does.",
}
_HARMLESS = frozenset({"fields_empty"})


@dataclass(slots=True)
class Report:
    """`fields`: (name, type, in how many of the kept rows it had a value). `would_send`: what was not sent."""

    code: str = ""
    rows: int = 0
    kept: int = 0
    unreadable: int = 0
    foreign: int = 0
    fields: list[tuple[str, str, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    would_send: dict[str, Any] | None = None

    @property
    def worked(self) -> bool:
        return not self.code and set(self.problems) <= _HARMLESS

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def rehearse(tool: Tool, arguments: Mapping[str, Any], external_id: str, connection: Connection) -> Report:
    """Of a connection that withholds. Raises ExecutionError for what stops it before there are rows."""
    customer, http = Owner(external_id), connection.http
    try:
        parents = parents_of(tool.guard, arguments, connection, customer) if tool.guard else None
        fetched = tool.run(replace(connection, parents=parents), arguments, external_id)
    except VendorError:
        if http.withheld is None:
            raise
        return _unsent(http.withheld, connection)
    owner: Owning = parents if parents and tool.narrowing is Narrowing.PARENT else customer
    return _looked_at(tool, fetched, owner, connection)


def _unsent(request: Request, connection: Connection) -> Report:
    shown = _shown(request)
    if leaks(shown, connection.secrets):
        raise OutputBlocked
    return Report(would_send=shown)


def _shown(request: Request) -> dict[str, Any]:
    """Without its headers: who we are is said there, and there alone."""
    parts = urlsplit(request.url)
    told = {"method": request.method, "path": parts.path + (f"?{parts.query}" if parts.query else "")}
    body = json.loads(request.body.reveal()) if request.body else None
    if isinstance(body, dict) and "jsonrpc" in body:  # of an MCP server: what is said to the tool
        body = {key: value for key, value in body["params"].items() if key != "_meta"}
    return told | {"body": body}


def _looked_at(tool: Tool, fetched: Fetched, owner: Owning, connection: Connection) -> Report:
    narrowed = narrow(fetched.rows, owner=owner, shape=tool.output.shape)
    report = Report(
        rows=len(fetched.rows) + fetched.dropped,
        kept=len(narrowed.rows),
        unreadable=fetched.unreadable + narrowed.unreadable,
        foreign=fetched.foreign + narrowed.foreign,
    )
    report.problems = _problems(tool, report, narrowed)
    try:
        said = answer(tool, fetched, owner)
    except ExecutionError as error:
        report.code = error.code
        return report
    if leaks(said.structured, connection.secrets):
        raise OutputBlocked
    report.kept, report.fields = len(said.rows), _filled(tool, said.rows)
    if said.rows and any(not count for _, _, count in report.fields):
        report.problems.append("fields_empty")
    return report


def _problems(tool: Tool, report: Report, narrowed: Narrowed) -> list[str]:
    found = []
    if not report.rows:
        found.append("nothing_came")
    elif report.unreadable == report.rows:
        found.append("owner_never_found")
    elif not report.kept:
        found.append("all_foreign")
    if narrowed.foreign and tool.narrowing is Narrowing.PARAMETER_AND_OWNER:
        found.append("ignores_customer")
    return found


def _filled(tool: Tool, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    return [
        (each.name, each.kind.value, sum(row.get(each.name) is not None for row in rows))
        for each in tool.output.shape.fields
    ]
