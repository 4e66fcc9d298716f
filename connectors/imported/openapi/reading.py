"""An OpenAPI description as somebody wrote it: JSON or YAML, of a size, a depth and a version that are read.

It is a stranger's text. Nothing in it is run, nothing it names is fetched, and what is not plain is refused.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from connectors.errors import VendorError

MOST_BYTES, MOST_YAML_BYTES = 8 * 1024 * 1024, 2 * 1024 * 1024
DEEPEST = 64
_READ = re.compile(r"3\.[01](\.[0-9]{1,3})?\Z")
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_TIME = "tag:yaml.org,2002:timestamp"


class _Plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C one is not everywhere
    """Of YAML what JSON has, too: a date stays a text."""

    yaml_implicit_resolvers = {
        first: [each for each in found if each[0] != _TIME]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read(written: bytes) -> Mapping[str, Any]:
    """VendorError with a code that begins with `description_` says why it cannot be used."""
    if len(written) > MOST_BYTES:
        raise VendorError("description_too_large")
    found = _parsed(written)
    if not isinstance(found, Mapping) or not ({"openapi", "swagger"} & set(found)):
        raise VendorError("description_unreadable")
    if not _READ.match(str(found.get("openapi", ""))):
        raise VendorError("description_version")
    if not isinstance(found.get("paths", {}), Mapping):
        raise VendorError("description_unreadable")
    return found


def _parsed(written: bytes) -> Any:
    try:
        text = written.decode("utf-8-sig")
        if text.lstrip()[:1] in {"{", "["}:
            return json.loads(text, parse_constant=lambda _name: None)
        return _of_yaml(text)
    except _UNREADABLE:
        failure = VendorError("description_unreadable")
    raise failure


def _of_yaml(text: str) -> Any:
    """As JSON would have it: keys are texts. An alias could make a small text a large tree, so there are none."""
    if len(text) > MOST_YAML_BYTES:
        raise VendorError("description_too_large")
    depth = 0
    for event in yaml.parse(text, Loader=_Plain):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
            raise ValueError
    return json.loads(json.dumps(yaml.load(text, Loader=_Plain), allow_nan=False))  # noqa: S506 - a safe loader
