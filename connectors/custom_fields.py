"""Fields that a vendor's user has made up, as a list of names and values: what has no type is not passed on otherwise.

A value whose name looks like a secret is masked on the way out (connectors.labels). What a field links to is not given
out: it may belong to somebody else.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.shapes import Field, Nested, Shape

MOST = 200
_PAIR = Shape(
    "",
    (
        Field("name", required=True, max_length=200),
        Field("value", max_length=4000, label="name", description="Untrusted text; masked under a secret's name."),
    ),
)
CUSTOM_FIELDS = Nested("fields", _PAIR, source="custom_fields", many=True)


def with_custom_fields(row: Any, pairs: Iterable[tuple[Any, Any]]) -> Any:
    """The row with its made-up fields where CUSTOM_FIELDS looks for them."""
    if not isinstance(row, Mapping):
        return row
    named = [(name, value) for name, value in pairs if isinstance(name, str)]
    return {**row, "custom_fields": [{"name": name, "value": written(value)} for name, value in named[:MOST]]}


def labelled(items: Any, *, label: str = "label", value: str = "value") -> list[tuple[Any, Any]]:
    """Pairs out of a list such as [{"label": "CPU", "value": "8 cores"}]."""
    rows = items if isinstance(items, list) else []
    return [(row.get(label), row.get(value)) for row in rows if isinstance(row, Mapping)]


def written(value: Any) -> str | None:
    """A single value as text; None for what is not one."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() | str():
            return str(value)
    return None
