"""Input schemas of tools. What a tool does not declare is refused, so nothing of a caller's goes to a vendor unseen."""

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.shapes import SCHEMA

MOST = 2_147_483_647
LONGEST_PAGE = 100
# `$` alone would let a line end follow, in Python.
END = r"$(?!\n)"
_DIFFERS = re.compile(r"e\+|-0\.0")  # of numbers; in a text it costs a second look
UUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}" + END


def schema(properties: dict[str, Any], *, required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """An object of these properties and no others (JSON Schema 2020-12)."""
    needed = {"required": list(required)} if required else {}
    return {
        "$schema": SCHEMA,
        "type": "object",
        "properties": properties,
        **needed,
        "additionalProperties": False,
        **more,
    }


def whole(description: str, *, most: int = MOST, least: int = 1) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "description": description}


def words(description: str, *, most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most, "description": description}


def choice(options: tuple[str, ...] | list[str], description: str, *, default: str | None = None) -> dict[str, Any]:
    chosen = {"default": default} if default is not None else {}
    return {"type": "string", "enum": list(options), "description": description, **chosen}


def uuid(description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": UUID_PATTERN, "description": description}


def day(description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" + END, "description": description}


def pages(*, default: int = 25, most: int = LONGEST_PAGE) -> dict[str, Any]:
    """`limit` and `page`, as every list has them."""
    return {
        "limit": {**whole("Rows per page.", most=most), "default": default},
        "page": {**whole("Page, from 1.", most=1000), "default": 1},
    }


def page_of(arguments: Any, *, default: int = 25) -> tuple[int, int]:
    """(page, limit). JSON Schema takes 2.0 for an integer."""
    return int(arguments.get("page", 1)), int(arguments.get("limit", default))


def call_digest(tool: str, arguments: Mapping[str, Any]) -> str:
    """Of what was called, for the record, and the same of the arguments as the database gives them back (jsonb).

    `tool`: as agents call it.
    """
    text = _canonical([tool, arguments])
    if _DIFFERS.search(text):
        text = _canonical([tool, _as_stored(arguments)])
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _as_stored(value: Any) -> Any:
    """jsonb keeps numbers as decimals: a large float comes back as a whole number, and zero has no sign."""
    if isinstance(value, Mapping):
        return {key: _as_stored(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_stored(each) for each in value]
    if not isinstance(value, float):
        return value
    return int(Decimal(repr(value))) if "e+" in repr(value) else value + 0.0
