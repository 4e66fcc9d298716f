"""The walks come to whom they should, once in their time, whatever is wrong with one of them."""

import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from tenants import sweeping
from tenants.isolation.context import NOBODY, Context, acting_for, acting_tenant, current
from tenants.sweeping import Question, for_each_in_turn, for_those_with
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.tenants.furnishing import as_administrator

START, ROUND = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)


@pytest.fixture
def sweep() -> str:
    """The name of a walk that has not been made before."""
    return f"tests.{secrets.token_hex(4)}"


@pytest.fixture
def worlds() -> list[UUID]:
    return [make_tenant().id for _ in range(20)]


@pytest.fixture
def worker(worlds: list[UUID]) -> Iterator[None]:
    """Of the tenants that there are; it makes none."""
    with as_role("worker"):
        yield


def turn(sweep: str, moment: datetime, most: timedelta = ROUND) -> list[UUID]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT border.take_turn(%s, %s, %s, %s)", [sweep, moment, ROUND, most])
        return [row[0] for row in cursor.fetchall()]


def test_one_tenants_trouble_keeps_no_other_from_being_swept(
    caplog: pytest.LogCaptureFixture, sweep: str, worlds: list[UUID], worker: None
) -> None:
    ill, swept, after = worlds[1], list[UUID](), list[UUID]()

    def work(_now: object) -> None:
        assert not connection.in_atomic_block
        if acting_tenant() == ill:
            raise RuntimeError("ill")
        swept.append(acting_tenant())

    with caplog.at_level(logging.ERROR):
        for_each_in_turn(sweep, work, lambda _now: after.append(acting_tenant()), every=timedelta(days=1))

    assert {worlds[0], worlds[2]} <= set(swept)
    assert ill not in swept
    assert ill in after
    assert current() is None
    assert [record.args for record in caplog.records if record.name == "tenants.sweeping"] == [(ill,)]


def test_in_a_round_everybody_has_one_turn_however_the_runs_fall(sweep: str, worlds: list[UUID], worker: None) -> None:
    turn(sweep, START)
    came = [
        tenant
        for minute in (1, 2, 3, 3, 17, 18, 45, 59, 60)
        for tenant in turn(sweep, START + timedelta(minutes=minute))
        if tenant in worlds
    ]

    assert sorted(came) == sorted(worlds)


def test_each_tenant_has_a_time_of_its_own(sweep: str, worlds: list[UUID], worker: None) -> None:
    turn(sweep, START)
    first = [set(turn(sweep, START + timedelta(minutes=minute))) & set(worlds) for minute in range(1, 61)]
    second = [set(turn(sweep, START + timedelta(minutes=60 + minute))) & set(worlds) for minute in range(1, 61)]

    assert first == second
    assert len([some for some in first if some]) > 1


@pytest.mark.parametrize(("most", "everybody"), [(ROUND, True), (timedelta(minutes=1), False)])
def test_after_a_standstill_a_walk_makes_up_for_it_as_far_as_it_is_told(
    sweep: str, worlds: list[UUID], worker: None, most: timedelta, everybody: bool
) -> None:
    turn(sweep, START)
    came = set(turn(sweep, START + 5 * ROUND, most)) & set(worlds)

    assert (came == set(worlds)) is everybody


def test_a_clock_that_goes_back_brings_nobodys_turn_twice(sweep: str, worker: None) -> None:
    turn(sweep, START)
    assert turn(sweep, START - timedelta(minutes=5)) == []
    assert turn(sweep, START) == []


def test_what_a_question_passes_over_is_come_to_within_a_day(
    monkeypatch: pytest.MonkeyPatch, sweep: str, worlds: list[UUID], worker: None
) -> None:
    """Each sweep has the net of its own question: here one that names nobody."""
    came: list[UUID] = []
    monkeypatch.setattr(sweeping, "_asked", lambda _question: [])

    def run(moment: datetime) -> None:
        monkeypatch.setattr(sweeping, "datetime", Clock(moment))
        for_those_with(Question(sweep), lambda _now: came.append(acting_tenant()))

    run(START)
    came.clear()
    for step in range(1, 24 * 6 + 1):
        run(START + step * timedelta(minutes=10))

    assert sorted(each for each in came if each in worlds) == sorted(worlds)


class Clock:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self, _zone: Any) -> datetime:
        return self.moment


@pytest.mark.parametrize("role", ["app", "broker", "sealer", "worker"])
def test_the_context_that_is_nobodys_shows_no_process_a_row(role: str) -> None:
    """The worker's questions are asked in it, and it must be worth nothing to whoever asks another one."""
    make_tenant()
    with as_role(role), acting_for(Context(NOBODY)), transaction.atomic(), connection.cursor() as cursor:
        for table in ("tenants_customer", "audit_event", "identity_session", "connectors_toolcall"):
            cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", [f"content.{table}"])
            if cursor.fetchone() == (True,):
                cursor.execute(f"SELECT count(*) FROM content.{table}")
                assert cursor.fetchone() == (0,), table


QUESTIONS = (
    "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'border'::regnamespace"
    " AND (p.proname ~ '^with_' OR p.proname IN ('take_turn', 'pending_requests'))"
)


def test_only_the_worker_may_ask_and_is_told_ids_alone() -> None:
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute(QUESTIONS)
        questions = [row[0] for row in cursor.fetchall()]
        roles = ("app", "broker", "sealer", "provider", "worker")
        cursor.execute(
            "SELECT DISTINCT r FROM unnest(%s::text[]) r, unnest(%s::regprocedure[]) f"
            " WHERE has_function_privilege('msplex_' || r, f, 'EXECUTE')",
            [list(roles), questions],
        )
        assert cursor.fetchall() == [("worker",)]
        cursor.execute(
            "SELECT DISTINCT prorettype::regtype::text FROM pg_proc WHERE oid = ANY (%s::regprocedure[])", [questions]
        )
        assert {row[0] for row in cursor.fetchall()} == {"uuid", "bigint"}
    assert len(questions) > 20


def test_without_a_context_or_in_a_tenants_nothing_is_answered_about_others() -> None:
    """A question that is asked in a tenant's context sees that tenant: injected there, it tells nothing new."""
    acme, globex = make_tenant(), make_tenant()
    question = "SELECT border.with_mail(now() + interval '1 day')"
    with as_role("worker"), connection.cursor() as cursor:
        with acting_for(Context(globex.id)), transaction.atomic():
            cursor.execute(
                "INSERT INTO identity_mail (tenant_id, id, template, recipient, context, state, tries, next_try_at,"
                " problem, created_at) VALUES (%s, gen_random_uuid(), 'alert', 'x@x.example', '{}', 'queued', 0, now(),"
                " '', now())",
                [globex.id],
            )
            cursor.execute(question)
            assert cursor.fetchall() == [(globex.id,)]
        with acting_for(Context(acme.id)), transaction.atomic():
            cursor.execute(question)
            assert cursor.fetchall() == []
        with pytest.raises(DatabaseError, match="no tenant context"), transaction.atomic():
            cursor.execute(question)
