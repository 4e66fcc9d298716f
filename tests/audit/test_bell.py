"""Bells between the sealer and who waits: they save looking, and nobody believes them."""

import os
import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from audit import waiting
from audit.bell import AWAITED, EVERYBODY, MOST_HEARD, MOST_NAMED, SEALED, Ear, names
from audit.errors import AuditUnavailable
from audit.waiting import await_seal
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import parameters_of
from tests.factories import make_tenant


@pytest.fixture(scope="module")
def ear():
    return Ear(parameters_of(connection))


@pytest.fixture
def admin():
    url, database = os.environ["MSPLEX_ADMIN_DATABASE_URL"], os.environ["MSPLEX_TEST_DATABASE"]
    with psycopg.connect(url, dbname=database, autocommit=True) as admin:
        yield admin


def ring(admin, said: str) -> None:
    admin.execute("SELECT pg_notify(%s, %s)", [SEALED, said])


def until(rung: threading.Event) -> Iterator[None]:
    """Once more as long as it was not heard: the ear may not have been there yet."""
    for _ in range(100):
        if rung.wait(0.2):
            return
        yield
    pytest.fail("it was not heard")


def test_who_waits_hears_of_its_event_and_of_no_other(ear, admin):
    mine, other, third = uuid4(), uuid4(), uuid4()
    with ear.listening_for([mine]) as rung, ear.listening_for([other]) as not_rung:
        for _ in until(rung):
            ring(admin, names([third, mine]))
        assert not not_rung.is_set()


def test_a_bell_that_was_rung_before_anybody_listened_is_heard(ear, admin):
    """The sealer can be faster than the process that has just committed."""
    mine, later = uuid4(), uuid4()
    with ear.listening_for([later]) as rung:
        for _ in until(rung):
            ring(admin, names([mine, later]))

    with ear.listening_for([mine]) as rung:
        assert rung.is_set()


def test_a_bell_that_comes_while_the_sealer_is_rung_for_is_heard(admin, monkeypatch):
    """Else who waits would sleep on until it looks by itself: a tenth of a second, of every tenth call."""
    ear, warm, mine = Ear(parameters_of(connection)), uuid4(), uuid4()
    with ear.listening_for([warm]) as rung:
        for _ in until(rung):
            ring(admin, names([warm]))
    monkeypatch.setattr("audit.bell.AWAITED", f"{AWAITED}; SELECT pg_sleep(0.5)")

    with ear.listening_for([mine]) as rung:
        time.sleep(0.2)
        ring(admin, names([mine]))
        assert rung.wait(5)


def test_what_was_heard_is_not_kept_for_ever(ear, admin):
    first, last = uuid4(), uuid4()
    with ear.listening_for([last]) as rung:
        for _ in until(rung):
            ring(admin, names([first]))
            for _ in range(MOST_HEARD // MOST_NAMED + 1):
                ring(admin, names([uuid4() for _ in range(MOST_NAMED)]))
            ring(admin, names([last]))

    with ear.listening_for([first]) as rung:
        assert not rung.is_set()
    assert len(ear._heard) == MOST_HEARD


def test_too_many_to_name_are_everybody(ear, admin):
    assert names([uuid4()] * MOST_NAMED) != EVERYBODY
    assert names([uuid4()] * (MOST_NAMED + 1)) == EVERYBODY
    with ear.listening_for([uuid4()]) as rung:
        for _ in until(rung):
            ring(admin, EVERYBODY)


def test_a_bell_that_nobody_can_read_does_not_end_the_listening(ear, admin):
    mine = uuid4()
    with ear.listening_for([mine]) as rung:
        ring(admin, "not base64, nor a list of anything!")
        for _ in until(rung):
            ring(admin, names([mine]))


def test_who_waits_wakes_the_sealer(ear, admin):
    admin.execute(f"LISTEN {AWAITED}")
    for _ in range(100):
        with ear.listening_for([uuid4()]):
            if list(admin.notifies(timeout=0.2, stop_after=1)):
                return
    pytest.fail("it was not rung for the sealer")


def test_a_false_bell_is_not_believed(admin, monkeypatch):
    """The event is not sealed, and never will be; SQL that was injected somewhere rings for it."""
    world, event, ended = make_tenant(), uuid4(), threading.Event()
    admin.execute("INSERT INTO border.audit_pending VALUES (%s, %s, now(), 'a test')", [world.id, event])
    monkeypatch.setattr(settings, "SEAL_SECONDS", 0.5)

    def lie() -> None:
        while not ended.wait(0.05):
            ring(admin, names([event]))

    liar = threading.Thread(target=lie)
    liar.start()
    with acting_for(Context(world.id)), pytest.raises(AuditUnavailable):
        await_seal([event])
    ended.set()
    liar.join()


def test_without_a_bell_it_is_looked_for(admin, monkeypatch):
    """A pooler between the database and us keeps bells from us."""
    world, event, looks = make_tenant(), uuid4(), []
    admin.execute("INSERT INTO border.audit_pending VALUES (%s, %s, now(), 'a test')", [world.id, event])
    monkeypatch.setattr(Ear, "_heard_bell", lambda *_: None)
    look = waiting._sealed

    def sealed_at_the_second_look(events):
        looks.append(look(events))
        admin.execute("DELETE FROM border.audit_pending WHERE event_id = %s", [event])
        return looks[-1]

    monkeypatch.setattr(waiting, "_sealed", sealed_at_the_second_look)
    with acting_for(Context(world.id)):
        await_seal([event])

    assert looks == [False, True]
