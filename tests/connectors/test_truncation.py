"""What an answer leaves out, it says."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors.catalogue import tool
from connectors.contract import Fetched
from connectors.execution import answer
from connectors.narrowing import Owner
from connectors.paging import WALK_PAGES, WALK_SIZE, gathered, picked_out
from connectors.shapes import Field, Kind, Shape

SHAPE = Shape("client_id", (Field("id", Kind.INTEGER, required=True),))
TICKETS = tool("halopsa", "list_tickets")
MINE = Owner("11")
WALKED = WALK_PAGES * WALK_SIZE


def of_everybody(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "client_id": 11 if number % 50 == 0 else 12} for number in range(count)]


def pages(count: int) -> list[list[Any]]:
    rows = of_everybody(count)
    return [rows[at : at + WALK_SIZE] for at in range(0, count, WALK_SIZE)]


@pytest.mark.parametrize(("count", "truncated"), [(WALKED - 1, False), (WALKED + 1, True), (0, False)])
def test_a_list_that_was_not_looked_through_to_its_end_is_truncated(count: int, truncated: bool) -> None:
    every = [*pages(count), []]

    walked = picked_out(lambda page, _: every[page - 1], owner=MINE, shape=SHAPE, page=1, limit=100, shared=True)
    by_cursor = gathered(iter(every), owner=MINE, shape=SHAPE, page=1, limit=100)

    assert (walked.truncated, by_cursor.truncated) == (truncated, truncated)
    assert not walked.has_more


def test_a_page_that_is_full_before_is_not_truncated() -> None:
    assert not gathered(iter(pages(WALKED + 1)), owner=MINE, shape=SHAPE, page=1, limit=2).truncated


def test_an_answer_is_as_long_as_a_model_can_take_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.execution.MOST_BYTES", 20_000)
    rows = [{"id": number, "client_id": 11, "summary": "x" * 1900} for number in range(100)]

    said = answer(TICKETS, Fetched(rows), MINE)

    listed = said.structured[TICKETS.output.key]
    assert said.structured["truncated"] is True
    assert 0 < said.structured["count"] == len(listed) == len(said.rows) < len(rows)
    assert len(json.dumps(listed)) < 20_000 + 2_000
    assert said.dropped == 0
    Draft202012Validator(TICKETS.output_schema).validate(said.structured)
    assert answer(TICKETS, Fetched(rows[:2]), MINE).structured["truncated"] is False


def test_of_rows_that_are_too_long_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.execution.MOST_BYTES", 10)

    said = answer(TICKETS, Fetched([{"id": 1, "client_id": 11}, {"id": 2, "client_id": 11}]), MINE)

    assert (said.structured["count"], said.structured["truncated"]) == (1, True)
