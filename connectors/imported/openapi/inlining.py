"""Schemas of a description without references: local ones are put in, within bounds, and of it all only what counts.

What counts is pinned: names, types and bounds. What people read beside them is not, so that a typing error that is
mended takes no tool away.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.shapes import text

DEEPEST, MOST_PARTS = 8, 4000
_NOTHING: Mapping[str, Any] = {}
_OF_ALL = ("type", "properties", "items", "required", "readOnly", "const")
_OF_SENT = ("enum", "default", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "description")
_KEPT = frozenset({*_OF_ALL, *_OF_SENT})
_LONGEST_DESCRIPTION = 300


class Unusable(Exception):
    """An operation that is not looked at any further, and why, in one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Inliner:
    """For one operation: it may cost so much, and no more."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MOST_PARTS

    def part(self, found: Any) -> Mapping[str, Any]:
        """What stands there, or where it refers to; {} for what is no object. Unusable if it is not there."""
        for _ in range(DEEPEST):
            self._spend()
            if not isinstance(found, Mapping):
                return _NOTHING
            if "$ref" not in found:
                return found
            found = self._at(found["$ref"])
        raise Unusable("cycle")

    def schema(self, raw: Any, *, sent: bool) -> dict[str, Any]:
        """`sent`: of what goes to the vendor, with its bounds; else of an answer, whose types alone count."""
        return self._schema(raw, sent, ())

    def _schema(self, raw: Any, sent: bool, above: tuple[int, ...]) -> dict[str, Any]:
        """`above`: the parts of the description that this one is inside of."""
        if len(above) > DEEPEST:
            return {}
        part = self.part(raw)
        if id(part) in above:
            raise Unusable("cycle")
        flat, within = self._flat(part, ()), (*above, id(part))
        kind = _kind_of(flat)
        found: dict[str, Any] = {"type": kind} if kind else {}
        if kind == "object":
            found["properties"] = {
                name: self._schema(each, sent, within)
                for name, each in _properties(flat).items()
                if isinstance(name, str) and not (sent and _is_read_only(each))
            }
            if sent and (needed := sorted(_required(flat) & set(found["properties"]))):
                found["required"] = needed
        elif kind == "array":
            found["items"] = self._schema(flat.get("items"), sent, within)
        return found | (_bounds(flat) if sent else {})

    def _flat(self, part: Mapping[str, Any], within: tuple[int, ...]) -> dict[str, Any]:
        """Of all that it is composed of, one schema."""
        if id(part) in within:
            raise Unusable("cycle")
        flat = {key: value for key, value in part.items() if key in _KEPT}
        for each in _composed(part):
            flat = _joined(self._flat(self.part(each), (*within, id(part))), flat)
        return flat

    def _at(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise Unusable("reference")  # another document is never fetched
        found: Any = self._root
        for key in reference[2:].split("/"):
            name = key.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            raise Unusable("reference")
        return found

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unusable("too_large")


def _composed(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Every part of allOf; of alternatives the one that is not null, if there is one alone."""
    parts = schema.get("allOf")
    if isinstance(parts, list):
        yield from parts
    for word in ("anyOf", "oneOf"):
        options = schema.get(word)
        if isinstance(options, list):
            real = [option for option in options if not (isinstance(option, Mapping) and option.get("type") == "null")]
            yield from real if len(real) == 1 else ()


def _joined(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    both = {**first, **then}
    if _properties(first) or _properties(then):
        both["properties"] = {**_properties(first), **_properties(then)}
    if needed := _required(first) | _required(then):
        both["required"] = sorted(needed)
    return both


def _kind_of(flat: Mapping[str, Any]) -> str:
    """Its one type besides null. Many write down the properties and leave out that it is an object."""
    said = flat.get("type")
    types = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    real = [each for each in types if isinstance(each, str) and each != "null"]
    if not types and _properties(flat):
        return "object"
    return real[0] if len(real) == 1 else ""


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _required(schema: Mapping[str, Any]) -> set[str]:
    named = schema.get("required")
    return {each for each in named if isinstance(each, str)} if isinstance(named, list) else set()


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("readOnly") is True


def _bounds(flat: Mapping[str, Any]) -> dict[str, Any]:
    kept = {word: flat[word] for word in _OF_SENT if flat.get(word) is not None and word != "description"}
    if flat.get("const") is not None:
        kept["enum"] = [flat["const"]]
    if said := text(flat.get("description"), _LONGEST_DESCRIPTION):
        kept["description"] = said
    return kept
