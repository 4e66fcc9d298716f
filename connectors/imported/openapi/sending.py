"""The request of one operation. Each value goes to its own place, written so that it is a value there and nothing else.

A value in the path is one segment or a part of one: whatever could be read as more, even by a server that decodes it
first, is refused and not escaped.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from connectors.contract import Connection
from connectors.errors import VendorError
from connectors.imported.signing_in import headers
from connectors.network import Request, json_body
from connectors.secret import Secret

LONGEST_VALUE = 200
_OF_PATHS = re.compile(r"[^/\\?#%;\x00-\x20\x7f-\x9f]+\Z")
_PLACE = re.compile(r"\{([^{}]+)\}")


def request(
    connection: Connection, definition: Mapping[str, Any], arguments: Mapping[str, Any], changes: bool
) -> Request:
    """VendorError `arguments_invalid` for what cannot be put where it belongs."""
    method, body = definition["method"], _body(definition, arguments)
    made = Request(
        method,
        connection.settings["address"] + _path(definition, arguments) + _query(definition, arguments),
        body=json_body(body) if body is not None else None,
        headers=_headers(connection, definition),
        changes=changes,
    )
    made.media_type = definition.get("media", made.media_type)
    return made


def _placed(definition: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> Iterator[tuple[Any, Any, Any]]:
    """(its name at the server, the value, all that is known of the place) of what was given."""
    for name, value in arguments.items():
        place = definition["places"].get(name)
        if place is None:
            raise VendorError("arguments_invalid")
        if place["in"] == where and value is not None:
            yield place["name"], value, place


def _path(definition: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    values = {name: _written(value) for name, value, _ in _placed(definition, arguments, "path")}

    def put(match: re.Match[str]) -> str:
        value = values.get(match.group(1), "")
        if not _OF_PATHS.match(value) or len(value) > LONGEST_VALUE:
            raise VendorError("arguments_invalid")
        return quote(value, safe="")

    path = _PLACE.sub(put, definition["path"])
    if {".", ".."} & set(path.split("/")):
        raise VendorError("arguments_invalid")
    return path


def _query(definition: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    pairs = []
    for name, value, place in _placed(definition, arguments, "query"):
        values = [_quoted(each) for each in value] if isinstance(value, list) else [_quoted(value)]
        if place.get("joined"):
            values = [",".join(values)]
        pairs += [f"{_quoted(name)}={each}" for each in values]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _body(definition: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Field by field; None where the operation takes none."""
    if "media" not in definition:
        return None
    body: dict[str, Any] = {}
    for path, value, _ in _placed(definition, arguments, "body"):
        inner = body
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    return body


def _headers(connection: Connection, definition: Mapping[str, Any]) -> dict[str, Secret]:
    """What signs in comes last: nothing that a description says takes its place."""
    constants = {name: Secret(value) for name, value in definition.get("headers", {}).items()}
    own = headers(connection)
    names = {name.lower() for name in own}
    return {name: value for name, value in constants.items() if name.lower() not in names} | own


def _quoted(value: Any) -> str:
    return quote(_written(value), safe="")


def _written(value: Any) -> str:
    """JSON Schema takes 2.0 for an integer."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
