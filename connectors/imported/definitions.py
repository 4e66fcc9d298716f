"""What a server says that a tool is. Two that differ in anything are two: the digest is over all of it."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 64 * 1024
NAME = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")
# Everything that a model or a program could be led by. `_meta` and icons are for show.
_OF_MCP = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
# Why something that is offered cannot be looked at any further.
REASONS = {
    "argument": "it needs something that is no single value or list of them",
    "body": "it needs a body that is no JSON object with fields",
    "cookie": "it needs a cookie",
    "cycle": "its description refers back to itself",
    "definition": "the name, the size or the shape is not one that can be checked",
    "header": "it needs a header that is not always the same",
    "own_server": "it names a server of its own",
    "path": "its path is not plain, or not all of its parameters are described",
    "reference": "it refers to what is not in the description",
    "too_large": "it is too large to be looked at",
    "twice": "two things in it have the same name",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """What is offered: definitions that can be looked at, by name, and how many others there were, by reason."""

    tools: Mapping[str, Mapping[str, Any]]
    unusable: Mapping[str, int]


def of_mcp(listed: Any) -> dict[str, Any] | None:
    """A tool as a server lists it; None for what is none, or is too large to be looked at."""
    if not isinstance(listed, Mapping) or not isinstance(listed.get("name"), str):
        return None
    definition = {key: listed[key] for key in _OF_MCP if listed.get(key) is not None}
    if not isinstance(definition.get("inputSchema"), Mapping) or not is_storable(definition):
        return None
    if b'"x-mcp-header":' in canonical(definition):  # arguments that are to be repeated in headers
        return None
    return definition


def is_storable(definition: Mapping[str, Any]) -> bool:
    """Of a size, and without what PostgreSQL cannot hold."""
    try:
        written = canonical(definition)
        json.dumps(definition, ensure_ascii=False).encode()  # lone surrogates are no text
    except (ValueError, RecursionError):
        return False
    return bool(NAME.match(definition["name"])) and len(written) <= MOST_BYTES and b"\\u0000" not in written


def canonical(definition: Mapping[str, Any]) -> bytes:
    return json.dumps(definition, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(definition: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(definition)).hexdigest()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(place, before, after) of each part that differs; empty text where there is none."""
    old, new = _flat(before), _flat(after)
    places = sorted(place for place in {*old, *new} if old.get(place) != new.get(place))
    return [(place, old.get(place, ""), new.get(place, "")) for place in places]


def _flat(value: Any, place: str = "") -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        parts = (_flat(each, f"{place}.{key}" if place else str(key)) for key, each in value.items())
        return {key: each for found in parts for key, each in found.items()}
    return {place: value if isinstance(value, str) else json.dumps(value)}
