"""What a vendor describes of its API, where the description lies beside the repository: it is not ours to ship."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from connectors.network import Request

ROOT = Path(__file__).parents[2]
_METHODS = ("get", "post", "put", "patch", "delete")


def description(name: str) -> dict[str, Any]:
    """Skips the test where there is none."""
    found = [path for parent in ROOT.parents if (path := parent / "shared" / "openapi" / name).is_file()]
    if not found:
        pytest.skip(f"no shared/openapi/{name} beside the repository")
    text = found[0].read_text()
    parsed: dict[str, Any] = json.loads(text) if name.endswith(".json") else yaml.load(text, yaml.CSafeLoader)
    return parsed


def undescribed(requests: Iterable[Request], spec: dict[str, Any], *, root: str) -> set[str]:
    """Methods with paths below `root`, and parameters of theirs, that the vendor does not describe."""
    known = [(method, _pattern(path), _parameters(spec, item, item[method]))
             for path, item in spec["paths"].items() for method in _METHODS if method in item]  # fmt: skip
    return {trouble for request in requests if (trouble := _trouble(request, known, root))}


def answer_schema(request: Request, spec: dict[str, Any], *, root: str) -> dict[str, Any] | None:
    """The shape of a good answer to the request; None if the vendor does not describe the request."""
    path = urlsplit(request.url).path.removeprefix(root)
    for described, item in spec["paths"].items():
        if request.method.lower() in item and _pattern(described).match(path):
            return _good(item[request.method.lower()]["responses"])
    return None


def _good(responses: dict[str, Any]) -> dict[str, Any]:
    """Swagger 2 has the schema in the answer, OpenAPI 3 by media type; some answers have none."""
    answer = next((answer for code, answer in responses.items() if code[0] in "2d"), {})
    content = next(iter(answer.get("content", {}).values()), answer)
    schema: dict[str, Any] = content.get("schema", {})
    return schema


def _trouble(request: Request, known: list[tuple[str, re.Pattern[str], set[str]]], root: str) -> str:
    parts = urlsplit(request.url)
    path = parts.path.removeprefix(root)
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    fitting = [found for method, pattern, found in known if method == request.method.lower() and pattern.match(path)]
    if not fitting:
        return f"{request.method} {path}"
    unknown = min((names - found for found in fitting), key=len)
    return f"{request.method} {path}: {sorted(unknown)}" if unknown else ""


def _pattern(path: str) -> re.Pattern[str]:
    parts = [r"[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", path)]
    return re.compile("".join(parts) + r"\Z")


def _parameters(spec: dict[str, Any], item: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    declared = [resolved(spec, each) for each in (*item.get("parameters", ()), *operation.get("parameters", ()))]
    return {each["name"] for each in declared if each.get("in") == "query"}


def resolved(spec: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    while "$ref" in part:
        found: Any = spec
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = found
    return part
