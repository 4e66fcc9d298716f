"""What a tool gives out, declared field by field. An answer is built from those; vendor JSON is never passed on."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from connectors.labels import looks_secret
from connectors.redaction import MASK

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
# Characters that a person does not see and a model does: controls, bidirectional overrides, zero width, tag characters.
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
CUT = " [cut]"
_INTEGER = re.compile(r"-?[0-9]{1,15}\Z")


class Kind(StrEnum):
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "string"


@dataclass(frozen=True, slots=True)
class Field:
    """A single value. A value of the wrong type becomes null; a required one makes the whole row unreadable.

    `source` is where the vendor's row has it, as a path of keys with dots. `label` is where the row has the name that
    people gave the value: under a name such as "Admin password" the value is masked.
    """

    name: str
    kind: Kind = Kind.TEXT
    source: str = ""
    required: bool = False
    description: str = ""
    max_length: int = 2000
    label: str = ""

    def pick(self, row: Mapping[str, Any]) -> Any:
        if self.label and at(row, self.source or self.name) not in (None, "") and looks_secret(at(row, self.label)):
            return MASK
        return _READERS[self.kind](at(row, self.source or self.name), self.max_length)

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": self.kind.value if self.required else [self.kind.value, "null"]}
        if self.description:
            schema["description"] = self.description
        return schema


@dataclass(frozen=True, slots=True)
class Nested:
    """An object or a list of objects inside a row. Each carries its own owner, or it is not given out.

    Unless its shape says that it is a part of the row, such as a custom field with its value: `Shape("", ...)`.
    """

    name: str
    shape: "Shape"
    source: str = ""
    many: bool = False
    description: str = ""

    def schema(self) -> dict[str, Any]:
        inner = self.shape.schema()
        schema = {"type": "array", "items": inner} if self.many else {"anyOf": [inner, {"type": "null"}]}
        return {**schema, "description": self.description} if self.description else schema


@dataclass(frozen=True, slots=True)
class Shape:
    """`owner`: where the vendor's row names the customer, or the parent, it belongs to; a path of keys with dots."""

    owner: str
    fields: tuple[Field, ...]
    nested: tuple[Nested, ...] = ()

    def schema(self) -> dict[str, Any]:
        members: tuple[Field | Nested, ...] = (*self.fields, *self.nested)
        return {
            "type": "object",
            "properties": {member.name: member.schema() for member in members},
            "required": [member.name for member in members],
            "additionalProperties": False,
        }


def at(row: Any, path: str) -> Any:
    """What stands at the end of a path such as `company.id`; None where it ends early."""
    for key in _keys(path):
        row = row.get(key) if isinstance(row, Mapping) else None
    return row


@lru_cache(maxsize=4096)
def _keys(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def text(value: Any, limit: int) -> str | None:
    """Text as data: without the characters that hide instructions from people, and bounded."""
    if not isinstance(value, str):
        return None
    if value.isprintable():  # nothing that is not seen, and no break of a line
        return value if len(value) <= limit else value[:limit] + CUT
    kept = _UNSEEN.sub("", value.replace("\r\n", "\n"))
    kept = "".join(char for char in kept if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs", "Co"})
    return kept if len(kept) <= limit else kept[:limit] + CUT


def integer(value: Any, _limit: int = 0) -> int | None:
    """Vendors give the same number as 12, as "12" and as " 12"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**15 else None
    return int(value) if isinstance(value, str) and _INTEGER.match(value.strip()) else None


def _number(value: Any, _limit: int) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any, _limit: int) -> bool | None:
    return value if isinstance(value, bool) else None


_READERS: dict[Kind, Callable[[Any, int], Any]] = {
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: integer,
    Kind.NUMBER: _number,
    Kind.TEXT: text,
}
