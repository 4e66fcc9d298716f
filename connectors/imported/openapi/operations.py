"""The operations of a description, each as a definition that stands for itself: what can be asked, where it is put, and
what the answer looks like.

An operation that cannot be asked exactly as it is described, or whose answer could not be checked, is counted with the
reason, and is none.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.errors import VendorError
from connectors.imported.definitions import Listed, is_storable
from connectors.imported.openapi.asking import Asking, parameters_of
from connectors.imported.openapi.inlining import Inliner, Unusable
from connectors.imported.openapi.media import json_schema
from connectors.imported.openapi.naming import Names
from connectors.shapes import text

MOST_OPERATIONS = 1000
METHODS = ("get", "post", "put", "patch", "delete")
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|\{[A-Za-z0-9_.-]{1,64}\})"
_PATH = re.compile(rf"(?:(?:/{_SEGMENT}+)+/?|/)\Z")
_PLACE = re.compile(r"\{([^{}]+)\}")
_LONGEST_PATH, _LONGEST_TITLE, _LONGEST_DESCRIPTION = 300, 200, 1000
_SUCCESS = re.compile(r"2(?:[0-9]{2}|XX)\Z", re.IGNORECASE)


def operations(description: Mapping[str, Any], *, below: str = "", headers: frozenset[str] = frozenset()) -> Listed:
    """Of the paths that begin with `below`. `headers`: in lower case, that the connection sends itself.

    VendorError if there are too many to be looked at.
    """
    found: dict[str, Mapping[str, Any]] = {}
    unusable: Counter[str] = Counter()
    listed = list(_listed(description, below))
    if len(listed) > MOST_OPERATIONS:
        raise VendorError("description_too_large")
    names = Names((method, path, operation) for path, method, _item, operation in listed)
    for path, method, item, operation in listed:
        name = names.of(method, path, operation)
        try:
            definition = {"name": name, **_definition(Inliner(description), (path, method), item, operation, headers)}
        except Unusable as error:
            unusable[error.reason] += 1
            continue
        if name in found:
            unusable["twice"] += 1
        elif is_storable(definition):
            found[name] = definition
        else:
            unusable["too_large"] += 1
    return Listed(found, dict(unusable))


def _listed(
    description: Mapping[str, Any], below: str
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """(path, method, what stands beside it, the operation)."""
    for path, item in description.get("paths", {}).items():
        if not isinstance(path, str) or not path.startswith(below):
            continue
        try:
            beside = Inliner(description).part(item)
        except Unusable:
            continue
        for method in METHODS:
            if isinstance(operation := beside.get(method), Mapping):
                yield path, method, beside, operation


def _definition(
    inliner: Inliner,
    place: tuple[str, str],
    item: Mapping[str, Any],
    operation: Mapping[str, Any],
    headers: frozenset[str],
) -> dict[str, Any]:
    path, method = place
    if "servers" in item or "servers" in operation:
        raise Unusable("own_server")
    asking = Asking(headers)
    for parameter in parameters_of(inliner, item, operation):
        asking.take_parameter(inliner, parameter)
    asking.take_body(inliner, operation.get("requestBody"))
    _check_path(path, asking)
    definition = {
        "title": text(operation.get("summary"), _LONGEST_TITLE) or f"{method.upper()} {path}",
        "description": text(operation.get("description"), _LONGEST_DESCRIPTION),
        "method": method.upper(),
        "path": path,
        "inputSchema": asking.schema,
        "outputSchema": _answer(inliner, operation),
        "places": asking.places,
        "headers": asking.constants,
        "media": asking.media,
    }
    return {key: value for key, value in definition.items() if value}


def _check_path(path: str, asking: Asking) -> None:
    """Of plain words and of its parameters, each of which is described."""
    if len(path) > _LONGEST_PATH or not _PATH.match(path) or {".", ".."} & set(path.split("/")):
        raise Unusable("path")
    named = _PLACE.findall(path)
    if len(set(named)) != len(named) or set(named) != asking.in_path:
        raise Unusable("path")


def _answer(inliner: Inliner, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Of the first success that is JSON and has a type; where no success is described, of what is for every status."""
    responses = operation.get("responses")
    told = responses if isinstance(responses, Mapping) else {}
    for status in sorted(str(each) for each in told if _SUCCESS.match(str(each))) or ["default"]:
        _, schema = json_schema(inliner, inliner.part(told.get(status)).get("content"), takes_any=True)
        if schema and (found := inliner.schema(schema, sent=False)):
            return found
    return {}
