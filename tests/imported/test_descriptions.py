"""What is read of somebody's OpenAPI description, and what is not: no network, no database."""

import json
from typing import Any

import pytest
import yaml

from connectors.errors import VendorError
from connectors.imported.declaration import offered
from connectors.imported.definitions import REASONS, digest
from connectors.imported.openapi import reading
from connectors.imported.openapi.operations import MOST_OPERATIONS, operations
from connectors.imported.openapi.reading import MOST_BYTES, read
from connectors.imported.openapi.stub_description import description

ROW = {"type": "object", "properties": {"id": {"type": "integer"}, "owner": {"type": "string"}}}
ANSWER = {"200": {"content": {"application/json": {"schema": ROW}}}}


def made(item: dict[str, Any], path: str = "/things", **beside: Any) -> dict[str, Any]:
    return {"openapi": "3.0.3", "paths": {path: item}, **beside}


def one(operation: dict[str, Any], path: str = "/things", method: str = "get", **beside: Any) -> dict[str, Any]:
    """The one operation's definition."""
    listed = operations(made({method: {"responses": ANSWER, **operation}}, path, **beside))
    assert listed.unusable == {}
    (definition,) = listed.tools.values()
    return dict(definition)


def why_not(operation: dict[str, Any], path: str = "/things", method: str = "get", **beside: Any) -> str:
    listed = operations(made({method: {"responses": ANSWER, **operation}}, path, **beside))
    ((reason, count),) = listed.unusable.items()
    assert (listed.tools, count) == ({}, 1)
    return reason


def query(name: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}, **more}


def body(schema: Any, media: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"content": {media: {"schema": schema}}, **more}


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump])
def test_json_and_yaml_say_the_same(write: Any) -> None:
    plain = json.loads(json.dumps(description()))

    assert operations(read(write(plain).encode())) == operations(description())


def test_a_date_and_a_status_of_yaml_are_texts() -> None:
    found = read(b"openapi: 3.0.3\npaths: {/a: {get: {responses: {200: {}}}}}\ninfo: {version: 2026-11-28}\n")

    assert found["info"]["version"] == "2026-11-28"
    assert "200" in found["paths"]["/a"]["get"]["responses"]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (b"", "description_unreadable"),
        (b"<html>Sign in</html>", "description_unreadable"),
        (b"\xff\xfe\x00", "description_unreadable"),
        (b"[" * 100_000, "description_unreadable"),
        (b"a: " + b"[" * 100_000, "description_unreadable"),
        (b'{"openapi": "3.0.0", "paths": []}', "description_unreadable"),
        (b'{"hello": 1}', "description_unreadable"),
        (b"openapi: 3.0.0\na: &a [x]\nb: [*a, *a]\n", "description_unreadable"),
        (b"openapi: !!python/object/apply:os.system ['true']\n", "description_unreadable"),
        (b"openapi: 3.0.0\nb: !!binary aGVsbG8=\n", "description_unreadable"),
        (b'{"openapi": "3.0.0", "x": ' + b"9" * 5000 + b"}", "description_unreadable"),
        (b'{"swagger": "2.0", "paths": {}}', "description_version"),
        (b'{"openapi": "2.0", "paths": {}}', "description_version"),
        (b'{"openapi": "3.2.0", "paths": {}}', "description_version"),
        (b'{"openapi": 3, "paths": {}}', "description_version"),
        (b" " * (MOST_BYTES + 1), "description_too_large"),
        (b"a: 1\n" * (reading.MOST_YAML_BYTES // 5 + 1), "description_too_large"),
    ],
)
def test_what_is_no_plain_description_is_refused_with_a_reason(written: bytes, code: str) -> None:
    with pytest.raises(VendorError) as caught:
        read(written)

    assert caught.value.code == code


def test_each_operation_stands_for_itself() -> None:
    listed = operations(description())

    assert set(listed.tools) == {
        "me", "list_tickets", "create_ticket", "get_ticket", "change_ticket", "delete_ticket", "list_notes", "add_note",
        "search", "get_file", "get_export", "get_clients",
    }  # fmt: skip
    assert listed.unusable == {"cycle": 1, "reference": 1}
    assert "$ref" not in json.dumps(listed.tools)
    assert listed.tools["list_tickets"]["places"]["filter_client_id"] == {"in": "query", "name": "filter[client_id]"}
    assert "deep" not in listed.tools["list_tickets"]["places"]
    assert listed.tools["create_ticket"]["places"]["details_note"] == {"in": "body", "name": ["details", "note"]}
    assert listed.tools["search"]["headers"] == {"X-Version": "2"}
    assert not offered(listed.tools["get_export"]).is_typed


def test_a_server_in_the_description_is_nothing_to_us() -> None:
    assert "elsewhere.example" not in json.dumps(operations(description()).tools)


@pytest.mark.parametrize(
    ("operation", "path", "reason"),
    [
        ({"servers": [{"url": "https://evil.example"}]}, "/things", "own_server"),
        ({}, "/things/{id}", "path"),
        ({}, "/things/../admin", "path"),
        ({}, "/things?x=1", "path"),
        ({}, "/things#x", "path"),
        ({}, "//evil.example/x", "path"),
        ({}, "/%2e%2e/x", "path"),
        ({"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "array"}}]}, "/{id}",
         "argument"),
        ({"parameters": [query("q", {"type": "object"}, required=True)]}, "/things", "argument"),
        ({"parameters": [query("q", required=True, style="deepObject")]}, "/things", "argument"),
        ({"parameters": [{"name": "q", "in": "matrix"}]}, "/things", "argument"),
        ({"parameters": [{"name": "X-Of", "in": "header", "required": True, "schema": {"type": "string"}}]}, "/things",
         "header"),
        ({"parameters": [{"name": "Host", "in": "header", "required": True, "schema": {"enum": ["x.example"]}}]},
         "/things", "header"),
        ({"parameters": [{"name": "X-A", "in": "header", "required": True, "schema": {"enum": ["a\r\nb: c"]}}]},
         "/things", "header"),
        ({"parameters": [{"name": "sid", "in": "cookie", "required": True}]}, "/things", "cookie"),
        ({"requestBody": body({"type": "array", "items": ROW}, required=True)}, "/things", "body"),
        ({"requestBody": body(ROW, "text/xml", required=True)}, "/things", "body"),
        ({"requestBody": body({"type": "array"}, "application/json-patch+json", required=True)}, "/things", "body"),
        ({"requestBody": body({"type": "object", "properties": {"x": {"type": "array", "items": ROW}},
                               "required": ["x"]})}, "/things", "argument"),
        ({"responses": {"200": {"$ref": "#/components/nothing"}}}, "/things", "reference"),
        ({"responses": {"200": {"$ref": "file:///etc/passwd"}}}, "/things", "reference"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_as_described_is_none(operation: dict[str, Any], path: str, reason: str) -> None:
    assert why_not(operation, path) == reason
    assert reason in REASONS


def test_what_refers_to_itself_is_refused_alone() -> None:
    schemas = {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}},
        "B": {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#/components/schemas/A"}]}}},
        "C": {"allOf": [{"$ref": "#/components/schemas/C"}]},
        "D": {"$ref": "#/components/schemas/D"},
        "Twice": {"type": "object", "properties": {"x": ROW, "y": ROW}},
    }
    paths = {f"/{name}": {"get": {"responses": _answers(name)}} for name in schemas}
    listed = operations({"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}})

    assert set(listed.tools) == {"get_Twice"}
    assert listed.unusable == {"cycle": 4}


def _answers(name: str) -> dict[str, Any]:
    return {"200": {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}}


def test_a_small_text_that_stands_for_a_large_tree_costs_little() -> None:
    """Each level names the next one ten times: 10^9 leaves."""
    schemas: dict[str, Any] = {
        f"L{n}": {
            "type": "object",
            "properties": {key: {"$ref": f"#/components/schemas/L{n + 1}"} for key in "abcdefghij"},
        }
        for n in range(9)
    } | {"L9": {"type": "string"}}
    listed = operations(made({"get": {"responses": _answers("L0")}}, components={"schemas": schemas}))

    assert listed.unusable == {"too_large": 1}


def test_more_operations_than_are_looked_at_are_refused_and_can_be_chosen_from() -> None:
    paths = {f"/a{n}/x": {"get": {"responses": ANSWER}} for n in range(MOST_OPERATIONS + 1)}
    with pytest.raises(VendorError) as caught:
        operations({"openapi": "3.0.0", "paths": paths})

    assert caught.value.code == "description_too_large"
    assert set(operations({"openapi": "3.0.0", "paths": paths}, below="/a12/").tools) == {"get_a12_x"}


def test_a_name_that_stands_in_two_places_is_that_of_the_path() -> None:
    field = {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}}
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    definition = one({"parameters": [parameter, query("id")], "requestBody": body(field)}, "/t/{id}", "put")

    assert definition["places"] == {
        "id": {"in": "path", "name": "id"}, "text": {"in": "body", "name": ["text"]},
    }  # fmt: skip
    needed = {**field, "required": ["id"]}
    assert why_not({"parameters": [parameter], "requestBody": body(needed)}, "/t/{id}", "put") == "twice"


def test_names_do_not_depend_on_the_order() -> None:
    paths = {
        "/a": {"get": {"operationId": "same", "responses": ANSWER}},
        "/b": {"get": {"operationId": "same", "responses": ANSWER}},
        "/c/{x}": {"get": {"operationId": "of c / x", "responses": ANSWER, "parameters": [
            {"name": "x", "in": "path", "schema": {"type": "string"}}]}},
        "/" + "long/" * 30: {"get": {"responses": ANSWER}},
    }  # fmt: skip
    names = [set(operations({"openapi": "3.0.0", "paths": dict(order)}).tools) for order in (
        paths.items(), reversed(paths.items()))]  # fmt: skip

    assert names[0] == names[1]
    assert {"get_a", "get_b", "of_c_x"} < names[0]
    assert max(map(len, names[0])) <= 60


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda one: one["responses"]["200"].update(description="Better words"), True),
        (lambda one: one.update(tags=["x"]), True),
        (lambda one: one.update(description="It deletes everybody now."), False),
        (lambda one: one.update(parameters=[query("all")]), False),
        (lambda one: _row(one).update(secret={"type": "string"}), False),
        (lambda one: _row(one).update(owner={"type": "object"}), False),
    ],
)
def test_the_digest_is_of_what_matters(change: Any, same: bool) -> None:
    before = one(json.loads(json.dumps({"operationId": "x", "responses": ANSWER})))
    changed = json.loads(json.dumps({"operationId": "x", "responses": ANSWER}))
    change(changed)

    assert (digest(one(changed)) == digest(before)) is same


def _row(operation: dict[str, Any]) -> Any:
    return operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]


def test_where_no_success_is_described_the_default_is_the_answer() -> None:
    assert offered(one({"responses": {"default": ANSWER["200"]}})).is_typed
    assert not offered(one({"responses": {"204": {}, "default": ANSWER["200"]}})).is_typed


def test_what_the_vendor_says_itself_is_not_asked_for() -> None:
    row = {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}, "text": {"type": "string"}}}

    assert set(one({"requestBody": body(row)}, method="post")["places"]) == {"text"}
