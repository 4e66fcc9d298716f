"""Whatever a vendor sends, only the customer's own comes out."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from connectors.catalogue import all_connectors
from connectors.contract import EXPOSABLE, UNTRUSTED, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.errors import ScopeViolation, VendorError
from connectors.execution import answer
from connectors.narrowing import COMPLETE, Owner, Parents, narrow, normalised, pick
from connectors.paging import of_one_answer, picked_out
from connectors.redaction import MASK, redact
from connectors.shapes import Field, Kind, Nested, Shape, text

CHILD = Shape("client_id", (Field("id", Kind.INTEGER, required=True), Field("text")))
SHAPE = Shape(
    "client_id",
    (Field("id", Kind.INTEGER, required=True), Field("client_id", Kind.INTEGER), Field("text"), Field("child_name")),
    (Nested("child", CHILD), Nested("children", CHILD, many=True)),
)
OURS = Owner("11")
FOREIGN = "FOREIGN"
HIDING = ((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2069), (0xFEFF, 0xFEFF), (0xE0000, 0xE007F))

OURS_SPELLED = [11, "11", " 11", "011"]
NOT_OURS = [12, "12", 111, 0, -11, None, "", "*", "11,12", [11], {"id": 11}, True, 11.0, "\uff11\uff11"]
owners = st.sampled_from([*OURS_SPELLED, *NOT_OURS])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


def _is_ours(value: Any) -> bool:
    return type(value) in (int, str) and str(value).strip().lstrip("0") == "11"


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """A vendor's object: each piece of text says whether its nearest owner is another customer."""
    owner = draw(owners)
    mark = "ours" if _is_ours(owner) else FOREIGN
    row: dict[str, Any] = {"id": draw(st.integers(1, 999) | scalars), "text": mark, "client_id": owner, "other": mark}
    if draw(st.booleans()):
        del row["client_id"]
        row["text"] = row["other"] = FOREIGN
    if depth:
        row["child"] = draw(objects(depth - 1) | scalars)
        row["children"] = draw(st.lists(objects(depth - 1) | scalars, max_size=3) | scalars)
        row["deep"] = {"down": [{"here": draw(objects(depth - 1))}]}
    return row


def _tool(*, many: bool) -> Tool:
    narrowing = Narrowing.PARAMETER_AND_OWNER if many else Narrowing.OWNER_ONLY
    output = Output("things", SHAPE, many=many)
    schema = {"type": "object", "additionalProperties": False}
    return Tool("t", "T", "", Risk.READ, narrowing, Tier.PRODUCTION, schema, output, lambda *_: Fetched([]))


@given(st.lists(objects() | scalars, max_size=6))
@example([{"id": " 1", "client_id": " 11", "text": "ours"}])  # a number is read however it is spelled, as owners are
def test_no_text_of_another_customer_comes_out_of_any_list(rows: list[Any]) -> None:
    tool = _tool(many=True)
    try:
        said = answer(tool, Fetched(rows), OURS)
    except VendorError:
        return  # refused as a whole: nothing came out

    structured, kept = said.structured, said.rows
    assert FOREIGN not in json.dumps(structured)
    assert all(row["client_id"] == 11 for row in kept)
    assert structured["count"] == len(kept) == len(structured["things"])
    assert said.dropped >= len(rows) - len(kept)
    assert 0 <= said.foreign <= said.dropped
    Draft202012Validator(tool.output_schema).validate(structured)


@given(objects() | scalars)
def test_no_object_of_another_customer_is_found(row: Any) -> None:
    try:
        structured = answer(_tool(many=False), Fetched([row]), OURS).structured
    except VendorError:
        return

    assert FOREIGN not in json.dumps(structured)
    assert _is_ours(row["client_id"])


@given(st.lists(objects(), max_size=6), st.integers(0, 3))
def test_what_an_answer_says_does_not_depend_on_other_customers_rows(rows: list[dict[str, Any]], extra: int) -> None:
    foreign = [{"id": number, "client_id": 12, "text": FOREIGN} for number in range(extra)]
    mine = [{"id": 1, "client_id": 11, "text": "ours"}, *rows]

    assert (
        answer(_tool(many=True), Fetched(mine), OURS).structured
        == answer(_tool(many=True), Fetched([*foreign, *mine]), OURS).structured
    )


@given(objects())
def test_narrowing_twice_is_narrowing_once(row: dict[str, Any]) -> None:
    once = narrow([row], owner=OURS, shape=SHAPE).rows

    again = narrow(once, owner=OURS, shape=SHAPE)

    assert (again.rows, again.dropped) == (once, 0) or json.dumps(again.rows) == json.dumps(once)


def test_a_foreign_object_takes_its_repetitions_with_it() -> None:
    row = {"client_id": 11, "user": {"client_id": 12, "name": "x"}, "user_id": 7, "user_name": "x", "username": "kept"}

    narrowed = narrow([row], owner=OURS, shape=SHAPE)

    assert narrowed.rows == [{"client_id": 11}]
    assert narrowed.dropped == 1


@pytest.mark.parametrize(
    ("value", "owner"),
    [
        (11, "11"),
        ("11", "11"),
        (" 011", "11"),
        (0, None),
        (-1, None),
        (True, None),
        (11.0, None),
        ("1e1", None),
        ("\uff11\uff11", None),
        (None, None),
        ([11], None),
    ],
)
def test_owners_are_compared_as_numbers(value: Any, owner: str | None) -> None:
    assert normalised(value) == owner


@pytest.mark.parametrize("external_id", ["", "0", "*", "11,12", "all"])
def test_a_customer_is_exactly_one_owner(external_id: str) -> None:
    with pytest.raises(ScopeViolation):
        Owner(external_id)


def test_a_nested_object_without_an_owner_is_not_given_out() -> None:
    row = {
        "id": 1,
        "client_id": 11,
        "child": {"id": 2, "text": "x"},
        "children": [{"id": 3}, {"id": 4, "client_id": 11}],
    }

    picked = pick(row, owner=OURS, shape=SHAPE)

    assert picked is not None
    assert (picked["child"], [child["id"] for child in picked["children"]]) == (None, [4])


def test_secrets_by_name_are_masked_at_any_depth() -> None:
    row = {"a": [{"TeamviewerPassword": "x", "empty": {"password": ""}}], "own": "y", "token": {"deep": 1}}

    assert redact(row, ["OWN"]) == {
        "a": [{"TeamviewerPassword": MASK, "empty": {"password": ""}}],
        "own": MASK,
        "token": MASK,
    }


def test_hidden_characters_are_taken_out_of_text() -> None:
    row = {"id": 1, "client_id": 11, "text": "a\u202eb\u200bc\U000e0041d\x1b[2Je\nf\tg" + "x" * 5000}

    text = pick(row, owner=OURS, shape=SHAPE)["text"]  # type: ignore[index]

    assert text.startswith("abcd[2Je\nf\tgx")
    assert len(text) == 2000 + len(" [cut]")


def test_of_every_character_the_unseen_ones_go_alone_or_in_a_text():
    """The short way for plain text lets none of them through."""
    for code in range(0x110000):
        char = chr(code)
        unseen = unicodedata.category(char) in {"Cc", "Cs", "Co"} and char not in "\n\t"
        hides = any(low <= code <= high for low, high in HIDING)
        assert text(char, 9) == ("" if unseen or hides else char), hex(code)


def test_every_tool_of_the_catalogue_is_narrowable_and_typed() -> None:
    for connector in all_connectors():
        for tool in connector.tools:
            assert tool.narrowing in EXPOSABLE
            assert tool.output.shape.owner
            assert UNTRUSTED in tool.description
            for schema in (tool.input_schema, tool.output_schema):
                Draft202012Validator.check_schema(schema)
                assert schema["additionalProperties"] is False
            assert not {"client_id", "customer", "site_id"} & set(tool.input_schema.get("properties", {}))


@pytest.mark.parametrize("narrowing", sorted(set(Narrowing) - EXPOSABLE))
def test_a_tool_that_cannot_be_narrowed_cannot_be_declared(narrowing: Narrowing) -> None:
    with pytest.raises(ValueError, match="not exposed"):
        Tool(
            "t",
            "T",
            "",
            Risk.READ,
            narrowing,
            Tier.PRODUCTION,
            {"additionalProperties": False},
            Output("x", SHAPE, many=True),
            lambda *_: Fetched([]),
        )


def test_rows_that_name_somebody_else_are_told_from_rows_that_name_nobody() -> None:
    """Of what was withheld, only the former say that a vendor does not keep to the customer."""
    nested = {"id": 1, "client_id": 11, "text": "ours", "deep": [{"client_id": 12}, {"client_id": None}]}
    rows = [nested, {"id": 2, "client_id": 12}, {"id": 3, "client_id": 0}, {"id": 4}, "no row"]

    found = narrow(rows, owner=OURS, shape=_tool(many=True).output.shape)

    assert (len(found.rows), found.dropped, found.unreadable, found.foreign) == (1, 6, 3, 2)


def test_a_list_of_parents_that_may_have_been_cut_says_nothing_of_others() -> None:
    few, many = (Parents.of(range(1, number + 1)) for number in (COMPLETE - 1, COMPLETE))

    assert (few.tells_others(COMPLETE + 1), few.tells_others(None)) == (True, False)
    assert not many.tells_others(COMPLETE + 1)


@pytest.mark.parametrize(("shared", "foreign"), [(False, 2), (True, 0)])
def test_a_list_that_is_everybodys_by_design_has_no_foreign_rows(shared: bool, foreign: int) -> None:
    rows = [{"id": number, "client_id": 11 + number % 2} for number in range(4)]
    how = {"owner": OURS, "shape": _tool(many=True).output.shape, "page": 1, "limit": 10, "shared": shared}

    assert of_one_answer(rows, **how).foreign == foreign
    assert picked_out(lambda _number, _size: rows, **how).foreign == foreign
