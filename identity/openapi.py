"""How callers authenticate, for the API's description."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "identity.api_defaults.PrincipalAuthentication"
    name = ["bearer", "session"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            {
                "type": "oauth2",
                "description": "A service account's secret, exchanged for a token that lives 15 minutes.",
                "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "msplex_session",
                "description": "A browser's session. Requests that change something carry X-CSRFToken.",
            },
        ]


PROBLEM = "application/problem+json"
UNSAFE = frozenset({"post", "put", "patch", "delete"})
# What the refusals of any operation mean. Those of one operation depend on what it takes: `_refusals`.
REFUSALS = {
    "400": "What was sent is not right. `fields` names what to mend.",
    "401": "No credential, or one that is not good (any more).",
    "403": "The permission is missing, or a recent second factor, or it cannot be done by whoever asks; `code` says.",
    "404": "There is nothing here for whoever asks.",
    "409": "It does not fit what is there now; `code` says why.",
    "415": "Send application/json.",
    "503": "What this needs does not answer. Nothing was changed; try again.",
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A refusal (RFC 9457). `code` is stable and for programs, `detail` for people.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "fields": {"type": "object", "additionalProperties": {}, "description": "By field: what is wrong with it."},
    },
    "required": ["type", "title", "status", "code", "detail"],
}


def describe_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: ARG001
    """Every operation says how it refuses. A hook of drf-spectacular, whose signature it has."""
    result["components"]["schemas"]["Problem"] = _PROBLEM_SCHEMA
    for operations in result["paths"].values():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                _mend(parameter)
            for status in _refusals(method, operation):
                operation["responses"].setdefault(status, _refusal(status))
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return result


def _mend(parameter: dict[str, Any]) -> None:
    """What drf-spectacular cannot know."""
    if parameter["in"] == "path" and "pattern" in parameter["schema"]:  # an id below another one
        parameter["schema"] = {"type": "string", "format": "uuid"}
    if parameter["in"] == "query" and not parameter.get("required"):  # a filter that is left empty narrows nothing
        parameter["schema"] = _or_empty(parameter["schema"])


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """Of what is given as text anyway only what it may be is narrower than any text."""
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], ""]}
    if "format" in schema or schema.get("type") == "boolean":
        return {"anyOf": [schema, {"type": "string", "maxLength": 0}]}
    return schema


def _refusals(method: str, operation: dict[str, Any]) -> set[str]:
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    found = {"401", "403", "503"}
    if places or "requestBody" in operation:
        found.add("404")  # an unknown object, or a cursor that leads nowhere
    if "query" in places or method in UNSAFE:
        found.add("400")
    if method in UNSAFE:
        found.add("409")
    return found | ({"415"} if "requestBody" in operation else set())


def _refusal(status: str) -> dict[str, Any]:
    return {
        "description": REFUSALS[status],
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
