"""Reading somebody else's JSON Schema: local references only, to a bounded depth, and of it only what we understand."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.shapes import Kind, text

DEEPEST = 6
MOST_FIELDS = 200
_KINDS = {"boolean": Kind.BOOLEAN, "integer": Kind.INTEGER, "number": Kind.NUMBER, "string": Kind.TEXT}
# What is kept of an argument. No `pattern`: a stranger's regular expression is a program that we would run.
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_MOST_CHOICES, _LONGEST_DESCRIPTION, _LONGEST_TEXT = 100, 300, 4000


def resolved(schema: Any, root: Mapping[str, Any], steps: int = DEEPEST) -> Mapping[str, Any]:
    """The schema that a local reference names, of `null` alternatives the other one; {} for what cannot be read."""
    while isinstance(schema, Mapping) and steps > 0:
        steps -= 1
        if "$ref" in schema:
            schema = _target(schema["$ref"], root)
        elif (other := _other_than_null(schema)) is not None:
            schema = other
        else:
            return schema
    return {}


def _target(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None  # another document is never fetched
    found: Any = root
    for key in reference[2:].split("/"):
        name = key.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _other_than_null(schema: Mapping[str, Any]) -> Any:
    for word in ("anyOf", "oneOf", "allOf"):
        options = schema.get(word)
        if isinstance(options, list):
            real = [option for option in options if not (isinstance(option, Mapping) and option.get("type") == "null")]
            return real[0] if len(real) == 1 else None
    return None


def type_of(schema: Mapping[str, Any]) -> str:
    """Its one type besides null; empty if there is none or more than one."""
    said = schema.get("type")
    types = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    real = [each for each in types if each != "null"]
    return real[0] if len(real) == 1 and isinstance(real[0], str) else ""


def properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def part(schema: Mapping[str, Any], path: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands at the end of a path of property names with dots; {} where it ends early. "" is the whole."""
    found = resolved(schema, root)
    for key in path.split(".") if path else ():
        found = resolved(properties(found).get(key), root)
    return found


def row_schema(schema: Mapping[str, Any], path: str, root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema of the rows at the path, and whether they are a list; {} if there are no objects there."""
    found = part(schema, path, root)
    many = type_of(found) == "array"
    row = resolved(found.get("items"), root) if many else found
    return (row, many) if type_of(row) == "object" or properties(row) else ({}, many)


def places_of_rows(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    """Where an answer may have its rows: itself, or what stands in its properties, two deep."""
    if row_schema(schema, "", root)[0]:
        yield ""
    for name in properties(part(schema, "", root)):
        if "." in name:
            continue
        if row_schema(schema, name, root)[0]:
            yield name
        for inner in properties(part(schema, name, root)):
            if "." not in inner and row_schema(schema, f"{name}.{inner}", root)[1]:
                yield f"{name}.{inner}"


def single_values(row: Mapping[str, Any], root: Mapping[str, Any], prefix: str = "") -> dict[str, Kind]:
    """Path of each single value of a row, and what it is. Lists inside rows are not given out."""
    found: dict[str, Kind] = {}
    for name, schema in properties(row).items():
        if not isinstance(name, str) or "." in name or not name or prefix.count(".") >= DEEPEST - 2:
            continue
        inner = resolved(schema, root)
        if kind := _KINDS.get(type_of(inner)):
            found[f"{prefix}{name}"] = kind
        elif type_of(inner) == "object":
            found |= single_values(inner, root, f"{prefix}{name}.")
        if len(found) >= MOST_FIELDS:
            break
    return dict(list(found.items())[:MOST_FIELDS])


def arguments(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments that a caller may be given: single values, and lists of them. Objects could name anybody."""
    found = {}
    for name, each in properties(schema).items():
        if isinstance(name, str) and (kept := _argument(resolved(each, schema), schema)):
            found[name] = kept
    return found


def _argument(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = type_of(schema)
    kept: dict[str, Any] = {}
    if kind == "array":
        inner = _argument(resolved(schema.get("items"), root), root)
        if inner is None or inner["type"] == "array":
            return None
        kept = {"items": inner, "maxItems": 100}
    elif kind not in _KINDS:
        return None
    elif kind == "string":
        kept = {"maxLength": _LONGEST_TEXT}
    choices = schema.get("enum")
    if isinstance(choices, list):
        kept["enum"] = [each for each in choices if each is None or isinstance(each, str | int | float)][:_MOST_CHOICES]
    kept |= {word: schema[word] for word in _BOUNDS if type(schema.get(word)) in {int, float}}
    if isinstance(schema.get("default"), str | int | float):
        kept["default"] = schema["default"]
    if said := text(schema.get("description"), _LONGEST_DESCRIPTION):
        kept["description"] = said
    return {"type": kind, **kept}


def required(schema: Mapping[str, Any]) -> frozenset[str]:
    named = schema.get("required")
    return frozenset(each for each in named if isinstance(each, str)) if isinstance(named, list) else frozenset()
