"""What can be asked of an operation, by one name each: where it is put in the request is kept beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.imported import schemas
from connectors.imported.openapi.inlining import Inliner, Unusable
from connectors.imported.openapi.media import json_schema
from connectors.imported.openapi.naming import argument
from connectors.imported.signing_in import HEADER_NAME, NOT_THEIRS

DEEPEST_BODY = 3
# OpenAPI says that these are not described by parameters, and many do.
_OF_HTTP = frozenset({"accept", "authorization", "content-type"})
_STYLES = {"path": "simple", "query": "form"}
_LONGEST_CONSTANT = 200


class Asking:
    """Path, query and body of one operation, in this order: a name that is there already is the first one's alone."""

    def __init__(self, headers: frozenset[str]) -> None:
        self._sent = headers | _OF_HTTP
        self._properties: dict[str, Any] = {}
        self._required: set[str] = set()
        self.places: dict[str, Any] = {}
        self.constants: dict[str, str] = {}
        self.media = ""

    @property
    def schema(self) -> dict[str, Any]:
        needed = {"required": sorted(self._required)} if self._required else {}
        return {"type": "object", "properties": self._properties, **needed}

    @property
    def in_path(self) -> set[str]:
        return {place["name"] for place in self.places.values() if place["in"] == "path"}

    def take_parameter(self, inliner: Inliner, parameter: Mapping[str, Any]) -> None:
        where, name = parameter.get("in"), parameter.get("name")
        needed = parameter.get("required") is True
        if not isinstance(name, str) or where not in {"path", "query", "header", "cookie"}:
            raise Unusable("argument")
        if where == "header":
            self._take_header(inliner, name, parameter)
        elif where == "cookie":
            self._leave("cookie", needed=needed)
        else:
            self._take(where, [name], _schema_of(inliner, parameter), needed=needed, more=_exploded(parameter))

    def take_body(self, inliner: Inliner, raw: Any) -> None:
        body = inliner.part(raw)
        media, schema = json_schema(inliner, body.get("content"), takes_any=True)
        found = inliner.schema(schema, sent=True) if schema else {}
        if found.get("type") != "object" or not found["properties"]:
            self._leave("body", needed=body.get("required") is True)
            return
        self.media = media
        self._take_fields(found, [], needed=True)

    def _take_fields(self, schema: Mapping[str, Any], above: list[str], *, needed: bool) -> None:
        required = schemas.required(schema)
        for name, field in schema["properties"].items():
            path, must = [*above, name], needed and name in required
            if field.get("type") == "object" and field["properties"] and len(path) < DEEPEST_BODY:
                self._take_fields(field, path, needed=must)
            else:
                self._take("body", path, field, needed=must)

    def _take(
        self, where: str, parts: list[str], schema: Mapping[str, Any] | None, *, needed: bool, more: Any = None
    ) -> None:
        name = argument(parts)
        usable = schemas.arguments({"properties": {name: schema}}) if name and schema else {}
        if name not in usable or (where == "path" and usable[name]["type"] == "array"):
            self._leave("argument", needed=needed)
        elif name in self._properties:
            self._leave("twice", needed=needed)
        else:
            self._properties[name] = schema
            self.places[name] = {"in": where, "name": parts if where == "body" else parts[0], **(more or {})}
            if needed or where == "path":
                self._required.add(name)

    def _take_header(self, inliner: Inliner, name: str, parameter: Mapping[str, Any]) -> None:
        """Only one that says the same each time is sent. What signs in is sent by the connection itself."""
        needed = parameter.get("required") is True
        if not needed or name.lower() in self._sent:
            return
        choices = inliner.schema(parameter.get("schema"), sent=True).get("enum")
        value = str(choices[0]) if isinstance(choices, list) and len(choices) == 1 else ""
        plain = value.isascii() and value.isprintable() and 0 < len(value) <= _LONGEST_CONSTANT
        if not plain or not HEADER_NAME.match(name) or name.lower() in NOT_THEIRS:
            raise Unusable("header")
        self.constants[name] = value

    def _leave(self, reason: str, *, needed: bool) -> None:
        """What cannot be asked is not asked; an operation that needs it is none."""
        if needed:
            raise Unusable(reason)


def parameters_of(
    inliner: Inliner, item: Mapping[str, Any], operation: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Those of the path, and the operation's own in their place; first what is in the path itself."""
    found: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for each in (*_listed(item), *_listed(operation)):
        parameter = inliner.part(each)
        found[str(parameter.get("in")), str(parameter.get("name"))] = parameter
    yield from sorted(found.values(), key=lambda parameter: parameter.get("in") != "path")


def _listed(holder: Mapping[str, Any]) -> list[Any]:
    found = holder.get("parameters")
    return found if isinstance(found, list) else []


def _schema_of(inliner: Inliner, parameter: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """None for one that is written in a way that we do not write."""
    style = _STYLES[parameter["in"]]
    if "content" in parameter or parameter.get("style", style) != style:
        return None
    schema = inliner.schema(parameter.get("schema"), sent=True)
    said = parameter.get("description")
    return schema | ({"description": said[:300]} if isinstance(said, str) and said else {})


def _exploded(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {"joined": True} if parameter.get("explode") is False else {}
