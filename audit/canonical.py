"""Canonical JSON: one value, one sequence of bytes (after RFC 8785, with keys held to ASCII and no floats)."""

import json
import unicodedata
from typing import Any


class NotCanonical(ValueError):
    """The value has no canonical form here; the message names the place."""


def canonical(value: Any) -> bytes:
    """Sorted keys, no spaces, NFC strings, integers only. NotCanonical for floats, other types and non-ASCII keys."""
    text = json.dumps(
        _normal(value, "$"),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return text.encode()


def _normal(value: Any, place: str) -> Any:
    match value:
        case None | bool() | int():
            return value
        case str():
            return unicodedata.normalize("NFC", value)
        case list() | tuple():
            return [_normal(item, f"{place}[{index}]") for index, item in enumerate(value)]
        case dict():
            return {_key(key, place): _normal(item, f"{place}.{key}") for key, item in value.items()}
    raise NotCanonical(f"{place}: {type(value).__name__} has no canonical form")


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str) or not key.isascii():
        raise NotCanonical(f"{place}: keys are ASCII strings")
    return key
