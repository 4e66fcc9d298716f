"""One customer in, one customer out.

The request already carries the customer; nothing here relies on that. Every row, and every object inside a row, has to
name its owner, and an owner that differs, is missing or cannot be read means that the row is not given out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from connectors.errors import ScopeViolation
from connectors.shapes import Nested, Shape, at

# Zero and negative numbers are how some vendors write "nobody" or "everybody"; so is the UUID of zeros.
_NUMBER = re.compile(r"0*([1-9][0-9]{0,17})\Z")
# The most parents that a guard reads (NinjaOne's devices): with fewer it has seen them all.
COMPLETE = 5000
_UUID = re.compile(r"(?!0{8}-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class Owning(Protocol):
    """Whoever a row may belong to."""

    def owns(self, value: Any) -> bool: ...

    def tells_others(self, value: Any) -> bool:
        """It can be read, and names somebody else for certain."""
        ...


@dataclass(frozen=True, slots=True)
class Narrowed:
    """`dropped` counts what was removed; of that, `unreadable` names no owner and `foreign` names somebody else."""

    rows: list[dict[str, Any]]
    dropped: int
    unreadable: int = 0
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class Owner:
    """The customer as the vendor knows it."""

    external_id: str

    def __post_init__(self) -> None:
        if normalised(self.external_id) is None:
            raise ScopeViolation

    def owns(self, value: Any) -> bool:
        found = normalised(value)
        return found is not None and found == normalised(self.external_id)

    def tells_others(self, value: Any) -> bool:
        return normalised(value) is not None and not self.owns(value)


@dataclass(frozen=True, slots=True)
class Parents:
    """The objects of the customer that the rows have to hang on, by their ids; made of checked rows only."""

    ids: frozenset[str]

    @classmethod
    def of(cls, values: Iterable[Any]) -> "Parents":
        return cls(frozenset(found for value in values if (found := normalised(value)) is not None))

    def owns(self, value: Any) -> bool:
        return normalised(value) in self.ids

    def tells_others(self, value: Any) -> bool:
        """A list that long may have been cut: what is not on it can be the customer's all the same."""
        return len(self.ids) < COMPLETE and normalised(value) is not None and not self.owns(value)


def normalised(value: Any) -> str | None:
    """12, "12" and " 012" are one owner, and a UUID in any case; everything else is no owner."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int):
        return str(value) if 0 < value < 10**18 else None
    written = value.strip().lower()
    if _UUID.match(written):
        return written
    match = _NUMBER.match(written)
    return match.group(1) if match else None


def narrow(rows: Sequence[Any], *, owner: Owning, shape: Shape) -> Narrowed:
    """Raw rows that belong to the owner, with foreign objects inside them removed; and how many things were removed."""
    kept: list[dict[str, Any]] = []
    unreadable, removed = 0, _Removed(owner, shape.owner)
    for row in rows:
        named = at(row, shape.owner) if isinstance(row, dict) else None
        if isinstance(row, dict) and owner.owns(named):
            kept.append(removed.from_row(row))
        else:
            removed.count(named)
            unreadable += normalised(named) is None
    return Narrowed(kept, removed.dropped, unreadable, removed.foreign)


@dataclass(slots=True)
class _Removed:
    """What goes, and how much of it has gone. `key`: where an object names its owner."""

    owner: Owning
    key: str
    dropped: int = 0
    foreign: int = 0

    def count(self, named: Any) -> None:
        self.dropped += 1
        self.foreign += self.owner.tells_others(named)

    def from_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A nested object with another owner goes, and with it what repeats it beside it: user, user_id, user_name."""
        clean: dict[str, Any] = {}
        gone: set[str] = set()
        for name, value in row.items():
            kept = self._from(value) if isinstance(value, dict | list) else value
            if isinstance(value, dict) and kept is None:
                gone |= {f"{name}_id", f"{name}_name", f"{name}id", f"{name}name"}
            else:
                clean[name] = kept
        return {name: value for name, value in clean.items() if name not in gone} if gone else clean

    def _from(self, value: Any) -> Any:
        """None: it is somebody else's."""
        if isinstance(value, list):
            pairs = [(item, self._from(item)) for item in value]
            return [new for old, new in pairs if old is None or new is not None]
        if not isinstance(value, dict):
            return value
        if self.key.partition(".")[0] in value and not self.owner.owns(named := at(value, self.key)):
            self.count(named)
            return None
        return self.from_row(value)


def pick(row: Mapping[str, Any], *, owner: Owning, shape: Shape) -> dict[str, Any] | None:
    """The declared fields of an owned row; None if a required one cannot be read. A part belongs to its row."""
    if shape.owner and not owner.owns(at(row, shape.owner)):
        return None
    picked = {field.name: field.pick(row) for field in shape.fields}
    if any(field.required and picked[field.name] is None for field in shape.fields):
        return None
    for nested in shape.nested:
        picked[nested.name] = _pick_nested(at(row, nested.source or nested.name), owner, nested)
    return picked


def _pick_nested(value: Any, owner: Owning, nested: Nested) -> Any:
    if not nested.many:
        return pick(value, owner=owner, shape=nested.shape) if isinstance(value, dict) else None
    items = value if isinstance(value, list) else []
    picked = (pick(item, owner=owner, shape=nested.shape) for item in items if isinstance(item, dict))
    return [item for item in picked if item is not None]
