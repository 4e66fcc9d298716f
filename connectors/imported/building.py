"""A tool of the contract, made from what an administrator has declared of an imported one.

From here on it is a tool like any other: connectors.execution checks its arguments, narrows, redacts and looks for the
credential. Only how the answer is fetched differs by the kind of server, which is the connector's `fetch`.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.arguments import schema
from connectors.contract import Connection, Fetch, Fetched, Narrowing, Output, Parent, Risk, Run, Tier, Tool
from connectors.errors import VendorError
from connectors.imported.declaration import Declaration, offered, values_of_rows
from connectors.models import ImportedTool
from connectors.narrowing import Owner, narrow, normalised
from connectors.shapes import Field, Shape, at

logger = logging.getLogger(__name__)


def build_all(rows: Iterable[ImportedTool], fetch: Fetch) -> tuple[Tool, ...]:
    """Of one connection: those that are exposed. One that cannot be made is not there, and the log says so."""
    exposed = {row.name: row for row in rows if row.state == ImportedTool.State.EXPOSED}
    made = []
    for row in exposed.values():
        try:
            made.append(build(row, exposed, fetch))
        except (ValueError, LookupError, TypeError):
            logger.exception("alert: imported tool %s cannot be made and is not offered", row.pk)
    return tuple(made)


def build(row: ImportedTool, others: Mapping[str, ImportedTool], fetch: Fetch) -> Tool:
    """`others`: the tools, by name, that a parent may be among. LookupError without the one that is needed."""
    declared, risk = Declaration.of(row.declaration), Risk(row.risk)
    values, many = values_of_rows(row.pinned, declared.rows)
    picked = tuple(Field(path.replace(".", "_"), values[path], source=path) for path in declared.picked)
    return Tool(
        name=row.name,
        title=row.title,
        description=row.description,
        risk=risk,
        narrowing=Narrowing(declared.narrowing),
        tier=Tier(row.tier),
        input_schema=input_schema(declared, row.pinned),
        output=Output("rows" if many else "row", Shape(declared.owner, picked), many=many),
        run=_runner(declared, row.pinned, _reading_one(fetch) if _is_by_id(declared, many, risk) else fetch, risk),
        redactions=declared.redactions,
        guard=_guard(declared, others[declared.parent], fetch) if declared.parent else None,
        creates=declared.creates,
    )


def input_schema(declared: Declaration, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Of the arguments that callers may give, and of no others."""
    choices = offered(definition)
    given = {name: dict(choices.arguments[name]) for name in declared.arguments}
    return schema(given, required=tuple(name for name in declared.arguments if name in choices.required))


def _is_by_id(declared: Declaration, many: bool, risk: Risk) -> bool:
    return risk is Risk.READ and not many and not declared.customer


def _reading_one(fetch: Fetch) -> Fetch:
    """What a server refuses to read by an id has to look like what is another customer's: it is not found."""

    def read(connection: Connection, definition: Mapping[str, Any], arguments: Mapping[str, Any], changes: bool) -> Any:
        try:
            return fetch(connection, definition, arguments, changes)
        except VendorError as error:
            if error.code != "vendor_rejected":
                raise
        raise VendorError("not_found")

    return read


def _runner(declared: Declaration, definition: Mapping[str, Any], fetch: Fetch, risk: Risk) -> Run:
    _, many = values_of_rows(definition, declared.rows)

    def run(connection: Connection, arguments: Mapping[str, Any], external_id: str) -> Fetched:
        answer = fetch(
            connection, definition, _injected(declared, definition, arguments, external_id), risk is not Risk.READ
        )
        rows = rows_at(answer, declared.rows)
        limit = arguments.get(declared.limit) if declared.limit else None
        more = type(limit) is int and 0 < limit <= len(rows)
        if declared.narrowing == Narrowing.OWNER_ONLY and many:
            return _own_of_everybodys(rows, declared, external_id, more=more)
        return Fetched(rows, has_more=more)

    return run


def _own_of_everybodys(rows: list[Any], declared: Declaration, external_id: str, *, more: bool) -> Fetched:
    """Of a list that takes no customer, and so is everybody's by design: that others are on it is no fault."""
    found = narrow(rows, owner=Owner(external_id), shape=Shape(declared.owner, ()))
    unfit = len(rows) - len(found.rows)
    return Fetched(found.rows, has_more=more, dropped=unfit, unreadable=found.unreadable)


def _injected(
    declared: Declaration, definition: Mapping[str, Any], arguments: Mapping[str, Any], external_id: str
) -> dict[str, Any]:
    """The arguments with the customer's id, put in last and as the server takes it: a number, a text, or a list."""
    given = {name: arguments[name] for name in declared.arguments if name in arguments}
    if declared.customer:
        given[declared.customer] = _as_taken(external_id, offered(definition).arguments[declared.customer])
    return given


def _as_taken(external_id: str, taken: Mapping[str, Any]) -> Any:
    if taken["type"] == "array":
        return [_as_taken(external_id, taken["items"])]
    if taken["type"] in {"integer", "number"}:
        if not external_id.isdigit():
            raise VendorError("vendor_rejected")
        return int(external_id)
    return external_id


def rows_at(answer: Any, path: str) -> list[Any]:
    """The raw rows; what is not there is not an empty list."""
    found = at(answer, path) if path else answer
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        return [found]
    raise VendorError("vendor_shape")


def _guard(declared: Declaration, parent: ImportedTool, fetch: Fetch) -> Parent:
    """Reads the parent by its own declaration. Of what comes back only the object that was asked for counts."""
    above = Declaration.of(parent.declaration)
    if Risk(parent.risk) is not Risk.READ or above.parent or declared.parent_key not in above.arguments:
        message = f"{parent.name} cannot say whose an object is"
        raise ValueError(message)
    read_parent = _runner(above, parent.pinned, _reading_one(fetch), Risk.READ)

    def read(connection: Connection, arguments: Mapping[str, Any], external_id: str) -> Fetched:
        wanted = arguments.get(declared.parent_argument)
        named = normalised(wanted)
        if named is None:
            return Fetched(())
        rows = read_parent(connection, {declared.parent_key: wanted}, external_id).rows
        return Fetched([row for row in rows if normalised(at(row, declared.parent_id)) == named])

    return Parent(read, owner=above.owner, id=declared.parent_id)
