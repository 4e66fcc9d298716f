"""A vendor that answers in the shapes it describes, and at random: no row of it is the customer's, so none comes out.

The shapes are the vendor's own description, which nobody here wrote; only what is not described (a sign-in) is asked of
the stand-in.
"""

import json
import random
from typing import Any
from uuid import UUID

import pytest

from connectors.catalogue import connector
from connectors.contract import Narrowing
from connectors.errors import ExecutionError
from connectors.network import Answer, Request, VendorHttp
from tests.connectors.factories import ConnectedWorld
from tests.vendors import hudu, ninjaone, pax8
from tests.vendors.case import Case
from tests.vendors.openapi import answer_schema, description, resolved
from tests.vendors.test_every_tool import connected, run

__all__ = ["connected"]
pytestmark = pytest.mark.usefixtures("broker")
DESCRIBED = {
    "hudu": (hudu.CASE, "hudu-2.44.0.swagger2.json", "/api/v1"),
    "ninjaone": (ninjaone.CASE, "ninjaone-2.0.9-draft.openapi3.yaml", ""),
    "pax8": (pax8.CASE, "pax8-partner.openapi3.json", "/v1"),
}
_DEEPEST = 8
_ROWS = 3


@pytest.fixture
def case(name: str) -> Case:
    return DESCRIBED[name][0]


@pytest.mark.parametrize("name", DESCRIBED)
def test_random_answers_in_the_vendors_own_shapes_bring_nothing(
    name: str, connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file, root = DESCRIBED[name]
    vendor = RandomVendor(description(file), root)
    monkeypatch.setattr(VendorHttp, "send", lambda http, request: vendor.answer(request, http))

    withheld = 0
    for tool in connector(name).tools:
        try:
            result = run(connected, tool.name, case.calls[tool.name](12), customer=1)
        except ExecutionError as error:
            withheld += error.rows_dropped
            assert error.code in {"not_found", "vendor_shape"}, f"{tool.name}: {error.code}"  # noqa: PT017
        else:
            withheld += result.rows_dropped
            assert result.rows == [], tool.name
            assert tool.output.many, tool.name
            assert tool.narrowing is not Narrowing.PARENT, tool.name

    assert vendor.answered > len(connector(name).tools) // 2
    assert withheld > 0  # rows did arrive


class RandomVendor:
    def __init__(self, spec: dict[str, Any], root: str) -> None:
        self._spec, self._root = spec, root
        self._random = random.Random(2026)
        self._send = VendorHttp.send
        self.answered = 0

    def answer(self, request: Request, http: VendorHttp) -> Answer:
        schema = answer_schema(request, self._spec, root=self._root)
        if schema is None:
            return self._send(http, request)
        self.answered += 1
        body = json.dumps(self._value(schema, 0)).encode()
        return Answer(200, {"content-type": "application/json"}, body)

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        schema = resolved(self._spec, schema)
        if depth > _DEEPEST:
            return None
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        for part in ("allOf", "oneOf", "anyOf"):
            if part in schema:
                return self._together(schema[part], depth) if part == "allOf" else self._value(schema[part][0], depth)
        if schema.get("type") == "array":
            return [self._value(schema.get("items", {}), depth + 1) for _ in range(_ROWS)]
        if "properties" in schema:
            return {key: self._value(inner, depth + 1) for key, inner in schema["properties"].items()}
        return self._single(schema)

    def _together(self, parts: list[dict[str, Any]], depth: int) -> Any:
        values = [self._value(part, depth) for part in parts]
        return {key: value for found in values if isinstance(found, dict) for key, value in found.items()}

    def _single(self, schema: dict[str, Any]) -> Any:
        match schema.get("type"):
            case "integer" | "number":
                return self._random.randint(10**6, 10**9)
            case "boolean":
                return self._random.random() < 0.5
            case "string":
                given = UUID(int=self._random.getrandbits(128), version=4)
                return str(given) if schema.get("format") == "uuid" else given.hex
        return None
