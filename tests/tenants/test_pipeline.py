"""Statements sent together: each gets its own answer, an error stops what is behind it, and the connection goes on."""

import json
import os
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from tenants.isolation.pipeline import Pipeline


@pytest.fixture
def raw():
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def pipeline(raw):
    return Pipeline(raw)


def values(pipeline: Pipeline) -> list[int]:
    """Of a transaction of its own."""
    pipeline.send("BEGIN")
    answer = pipeline.send("SELECT generate_series(%s::int, %s)", [1, 3])
    assert pipeline.end("COMMIT") == b"COMMIT"
    return [value for (value,) in answer.fetchall()]


def test_answers_are_read_in_any_order_and_after_the_end(pipeline):
    pipeline.send("BEGIN")
    first, second, third = (pipeline.send("SELECT %s::int", [number]) for number in range(3))
    assert second.fetchone() == (1,)
    assert first.fetchone() == (0,)
    assert pipeline.end("COMMIT") == b"COMMIT"

    assert third.fetchone() == (2,)
    assert third.fetchone() is None
    assert third.fetchall() == []
    assert pipeline.is_idle


def test_values_come_back_as_they_went(pipeline):
    sent = {
        "uuid": uuid4(), "text": "a % b \\ 'c' \u20ac", "bytea": b"\x00\xff", "timestamptz": datetime.now(UTC),
        "bigint": 2**40, "boolean": True, "uuid[]": [uuid4(), uuid4()], "bigint[]": [1, None],
    }  # fmt: skip
    for kind, value in sent.items():
        pipeline.send("BEGIN")
        answer = pipeline.send(f"SELECT %s::{kind}, NULL::{kind} IS NOT DISTINCT FROM %s", [value, None])
        pipeline.end("COMMIT")
        assert answer.fetchone() == (value, True), kind


def test_lists_go_in_binary_where_the_statement_says_so(pipeline):
    sent = {
        "uuid": [uuid4(), uuid4()], "int": [1, 70_000], "bytea": [b"\x00\xff\\", bytes(range(256))],
        "timestamptz": [datetime.now(UTC)],
    }  # fmt: skip
    pipeline.send("BEGIN")
    back = {kind: pipeline.send(f"SELECT %b::{kind}[], 5 %% %s::int", [value, 3]) for kind, value in sent.items()}
    pipeline.end("COMMIT")

    assert {kind: answer.fetchone() for kind, answer in back.items()} == {k: (v, 2) for k, v in sent.items()}


def test_json_goes_as_a_text_or_as_itself(pipeline):
    pipeline.send("BEGIN")
    answer = pipeline.send("SELECT %s::jsonb = %s", [json.dumps({"a": [1]}), Jsonb({"a": [1]})])
    pipeline.end("COMMIT")

    assert answer.fetchone() == (True,)


def test_an_error_stops_what_is_behind_it_and_is_the_one_that_is_told(pipeline):
    pipeline.send("BEGIN")
    before = pipeline.send("SELECT 1")
    pipeline.send("SELECT 1 / %s", [0])
    behind = pipeline.send("SELECT 2")
    with pytest.raises(errors.DivisionByZero):
        pipeline.end("COMMIT")
    pipeline.roll_back()

    assert before.fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        behind.fetchone()
    assert values(pipeline) == [1, 2, 3]


def test_an_error_that_was_read_is_not_a_commit_either(pipeline):
    pipeline.send("BEGIN")
    with pytest.raises(errors.DivisionByZero):
        pipeline.send("SELECT 1 / %s", [0]).fetchone()
    with pytest.raises(psycopg.OperationalError):
        pipeline.end("COMMIT")
    pipeline.roll_back()

    assert values(pipeline) == [1, 2, 3]


def test_rolled_back_without_an_error_all_stays_prepared(pipeline, raw):
    assert values(pipeline) == [1, 2, 3]
    pipeline.send("BEGIN")
    pipeline.send("SELECT 1")
    pipeline.roll_back()

    assert pipeline.is_idle
    assert values(pipeline) == [1, 2, 3]


def test_a_table_that_was_changed_is_read_anew_after_one_error(pipeline):
    """As in a migration while processes run: a plan that does not fit any more must not stay."""
    name = f"public.changing_{uuid4().hex}"
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"CREATE TABLE {name} (a int)")
        _all_of(pipeline, name)
        admin.execute(f"ALTER TABLE {name} ALTER COLUMN a TYPE text")
        with pytest.raises(psycopg.Error):
            _all_of(pipeline, name)
        pipeline.roll_back()
        _all_of(pipeline, name)
        admin.execute(f"DROP TABLE {name}")


def _all_of(pipeline: Pipeline, name: str) -> None:
    pipeline.send("BEGIN")
    pipeline.send(f"SELECT * FROM {name}")
    assert pipeline.end("COMMIT") == b"COMMIT"


def test_more_than_the_buffers_hold_goes_both_ways(pipeline):
    pipeline.send("BEGIN")
    text = "x" * 100_000
    answers = [pipeline.send("SELECT %s::text", [text]) for _ in range(300)]
    assert pipeline.end("COMMIT") == b"COMMIT"

    assert all(answer.fetchone() == (text,) for answer in answers)


def test_a_connection_that_was_cut_is_an_error_and_no_endless_wait(pipeline, raw):
    pipeline.send("BEGIN")
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [raw.info.backend_pid])
    answer = pipeline.send("SELECT 1")

    with pytest.raises(psycopg.OperationalError):
        answer.fetchone()
    with pytest.raises(psycopg.OperationalError):
        pipeline.roll_back()


@pytest.mark.parametrize(("statement", "bound"), [("SELECT %s, %s", [1]), ("SELECT 1", [1])])
def test_as_many_values_as_marks(pipeline, statement, bound):
    with pytest.raises(TypeError):
        pipeline.send(statement, bound)


def test_a_percent_sign_is_written_twice(pipeline):
    pipeline.send("BEGIN")
    answer = pipeline.send("SELECT 'a%%' LIKE %s", ["a_"])
    pipeline.end("COMMIT")

    assert answer.fetchone() == (True,)
    with pytest.raises(ValueError, match="percent"):
        pipeline.send("SELECT 5 % 2")
