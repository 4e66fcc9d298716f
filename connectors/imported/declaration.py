"""What an administrator has declared of an imported tool: how it is held to one customer, and what of it is given out.

The declaration is checked against the definition that it was made for. Whatever it does not name does not exist.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from connectors.contract import EXPOSABLE, Narrowing, Risk
from connectors.imported import schemas
from connectors.shapes import Kind
from tenants.errors import Invalid

MOST_PICKED = 100
# What is itself when it is created: an id of a caller's would make an upsert of it.
_ITSELF = frozenset({"_id", "guid", "id", "key", "uuid"})
_WORDS = re.compile(r"[^A-Za-z0-9_]+")
_OWNER = re.compile(
    r"(new_|target_|parent_)?(client|customer|company|organi[sz]ation|tenant)(_?ids?|_?names?|s)?\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """Paths are of keys with dots.

    `rows`: where the answer has them; empty for the answer itself. `owner`: where a row names the customer, or with
    the narrowing PARENT the parent. `customer`: the argument that takes the customer, which callers never see.
    `parent`: the imported tool that reads what this one hangs on; `parent_argument` carries its id here, and
    `parent_key` there; `parent_id` is where the parent's row has it.
    """

    narrowing: str
    owner: str
    rows: str = ""
    picked: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    customer: str = ""
    parent: str = ""
    parent_argument: str = ""
    parent_key: str = ""
    parent_id: str = "id"
    creates: bool = False
    redactions: tuple[str, ...] = ()
    limit: str = ""  # the argument that bounds the rows of a page
    only_reads: bool = False  # said by a person of a POST

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Declaration":
        named = {each.name for each in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in kept.items()
        }
        return cls(**{key: value for key, value in values.items() if key in named})

    def as_json(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Offered:
    """What a definition leaves to choose from."""

    rows: tuple[str, ...]
    arguments: Mapping[str, Mapping[str, Any]]
    required: frozenset[str]

    @property
    def is_typed(self) -> bool:
        return bool(self.rows)


def offered(definition: Mapping[str, Any]) -> Offered:
    output = definition.get("outputSchema")
    places = tuple(schemas.places_of_rows(output, output)) if isinstance(output, Mapping) else ()
    given = definition["inputSchema"]
    return Offered(places, schemas.arguments(given), schemas.required(given))


def values_of_rows(definition: Mapping[str, Any], rows: str) -> tuple[dict[str, Kind], bool]:
    """Path and kind of each single value of a row at this place, and whether there is a list of rows."""
    output = definition.get("outputSchema")
    if not isinstance(output, Mapping):
        return {}, False
    row, many = schemas.row_schema(output, rows, output)
    return schemas.single_values(row, output), many


def check(declaration: Declaration, definition: Mapping[str, Any], risk: Risk) -> None:
    """Invalid, with the field and the remedy, unless the tool can be held to one customer as declared."""
    choices = offered(definition)
    if not choices.is_typed:
        raise Invalid(
            "The tool does not say what its answer looks like (no output schema with objects), so nothing of it"
            " could be checked. It cannot be exposed.",
            field="narrowing",
            code="tool_untyped",
        )
    for field, problem in _problems(declaration, definition, choices, risk):
        raise Invalid(problem, field=field, code="declaration_invalid")


def _problems(
    declared: Declaration, definition: Mapping[str, Any], choices: Offered, risk: Risk
) -> Iterator[tuple[str, str]]:
    yield from _of_narrowing(declared, choices, risk)
    yield from _of_rows(declared, definition, choices)
    yield from _of_arguments(declared, definition, choices)
    called = {name: _called(name, definition) for name in declared.arguments}
    if risk is not Risk.READ and (moving := [name for name in called if any(map(_OWNER.match, called[name]))]):
        yield "arguments", f"What changes something may not be told whose it is: leave out {', '.join(moving)}."
    if declared.creates and (itself := [name for name in called if name.casefold() in _ITSELF]):
        yield "arguments", f"What creates something may not be told which it is: leave out {', '.join(itself)}."
    if declared.only_reads and definition.get("method") != "POST":
        yield "only_reads", "Only of a POST may it be said that it reads all the same."


def _of_narrowing(declared: Declaration, choices: Offered, risk: Risk) -> Iterator[tuple[str, str]]:
    if declared.narrowing not in EXPOSABLE:
        yield "narrowing", "Choose how the tool is held to one customer: A, B or C."
    takes = declared.narrowing == Narrowing.PARAMETER_AND_OWNER
    if takes and declared.customer not in choices.arguments:
        yield "customer", "Choose the argument that takes the customer's id at the vendor."
    if declared.customer and not takes:
        yield "customer", "Only with narrowing A does an argument take the customer."
    hangs = declared.narrowing == Narrowing.PARENT or (risk is not Risk.READ and not declared.creates)
    if hangs and not declared.parent:
        yield "parent", "Choose the tool that reads what this one hangs on or changes, so that its owner is checked."
    if declared.creates and not (takes and risk is not Risk.READ):
        yield "creates", "What creates something writes, and takes the customer in an argument (narrowing A)."
    if declared.parent and declared.parent_argument not in declared.arguments:
        yield "parent_argument", "Choose the argument that carries the parent's id, among those that callers may give."
    if declared.parent and not declared.parent_key:
        yield "parent_key", "Name the argument of the parent tool that takes the id."


def _of_rows(declared: Declaration, definition: Mapping[str, Any], choices: Offered) -> Iterator[tuple[str, str]]:
    if declared.rows not in choices.rows:
        yield "rows", "Choose where the answer has its rows."
    values, _ = values_of_rows(definition, declared.rows)
    if values.get(declared.owner) not in {Kind.INTEGER, Kind.TEXT}:
        yield "owner", "Choose the value of a row that names its owner: a number or a text."
    if not declared.picked or len(declared.picked) > MOST_PICKED:
        yield "picked", f"Choose the values that are given out, at most {MOST_PICKED}."
    if strange := [path for path in declared.picked if path not in values]:
        yield "picked", f"The answer has no such value: {', '.join(strange)[:200]}."
    names = [path.replace(".", "_") for path in declared.picked]
    if len(set(names)) != len(names):
        yield "picked", "Two of the values would have the same name; leave one out."


def _called(name: str, definition: Mapping[str, Any]) -> set[str]:
    """Every name that an argument goes by: here, at the server, and each part of that (`filter[company_id]`)."""
    place = definition.get("places", {}).get(name, {}).get("name", [])
    parts = [place] if isinstance(place, str) else place
    words = {word for part in parts for word in _WORDS.split(part.replace("-", "_"))}
    return {each for each in {name, *parts, *words, "_".join(parts)} if each}


def _owners(declared: Declaration) -> set[str]:
    """What names an owner here, in lower case. The end of a path such as company.id says nothing by itself."""
    parts = declared.owner.casefold().split(".")
    named = {"_".join(parts), "".join(parts), *parts[:-1]} if len(parts) > 1 else set(parts)
    return {*named, declared.customer.casefold(), "customer"} - {""}


def _of_arguments(declared: Declaration, definition: Mapping[str, Any], choices: Offered) -> Iterator[tuple[str, str]]:
    if strange := [name for name in declared.arguments if name not in choices.arguments]:
        yield "arguments", f"The tool has no such argument, or it takes an object: {', '.join(strange)[:200]}."
    owners, hangs = _owners(declared), {declared.parent_argument} if declared.parent else set()
    given = [name for name in declared.arguments if name not in hangs]
    if taken := [name for name in given if owners & {each.casefold() for each in _called(name, definition)}]:
        yield "arguments", f"A caller never names an owner: leave out {', '.join(taken)}."
    if missing := choices.required - {*declared.arguments, declared.customer}:
        yield (
            "arguments",
            f"The tool needs these, so callers have to be able to give them: {', '.join(sorted(missing))}.",
        )
    if declared.limit and declared.limit not in declared.arguments:
        yield "limit", "Choose it among the arguments that callers may give."
