"""What a load balancer asks: yes or no, for each thing that a process needs, and never more often than it costs."""

import os
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.test import Client

from msplex import draining, readiness
from msplex.pulse import LONGEST_SECONDS, PULSE, Pulse
from msplex.readiness import forget, migrations
from tests.conftest import as_role
from tests.processes import free_port

ALL = {"serving", "working", "redis", "database", "migrations", "clock", "context", "sealer"}


@pytest.fixture(autouse=True)
def _anew():
    """Without what a loop of another test, or of one of these, has left behind in this process."""
    forget()
    PULSE.rest()
    # Of tenants whose logs other tests have spoilt, and which are not sealed any more.
    url, database = os.environ["MSPLEX_ADMIN_DATABASE_URL"], os.environ["MSPLEX_TEST_DATABASE"]
    with psycopg.connect(url, dbname=database, autocommit=True) as admin:
        admin.execute("DELETE FROM border.audit_pending WHERE since < now() - interval '2 seconds'")
    yield
    forget()


def asked():
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()


def test_all_is_well():
    status, said = asked()

    assert status == 200
    assert said == {"status": "ok", **dict.fromkeys(ALL, True)}


def test_redis_is_away(settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    status, said = asked()

    assert (status, said["status"], said["redis"], said["database"]) == (503, "not ready", False, True)


@contextmanager
def place(**changes):
    from django.db import connection  # noqa: PLC0415

    before = connection.settings_dict
    connection.settings_dict = {**before, **changes}
    try:
        yield
    finally:
        connection.settings_dict = before


def test_the_database_is_away():
    with place(HOST="127.0.0.1", PORT=str(free_port())):
        status, said = asked()

    assert status == 503
    assert {name for name in ALL if not said[name]} == {"database", "migrations", "clock", "context", "sealer"}


def test_the_role_is_another_processs(settings):
    settings.MSPLEX_PROCESS = "portal"
    with as_role("worker"):
        status, said = asked()

    assert (status, said["database"], said["context"]) == (503, False, True)


def test_the_context_key_is_not_the_databases(settings):
    settings.CONTEXT_KEY = b"x" * 32

    status, said = asked()

    assert (status, said["context"], said["database"]) == (503, False, True)


def test_the_code_is_newer_than_the_database(monkeypatch):
    monkeypatch.setattr(readiness, "migrations", lambda: (*migrations(), "tenants.9999_of_tomorrow"))

    status, said = asked()

    assert (status, said["migrations"]) == (503, False)


def test_the_migrations_of_the_code_are_all_of_those_that_were_applied():

    from tests.conftest import role_url  # noqa: PLC0415

    with psycopg.connect(role_url("msplex_migrator", os.environ["MSPLEX_TEST_DATABASE"])) as database:
        database.execute("SET ROLE msplex_owner")
        rows = database.execute("SELECT app || '.' || name FROM content.django_migrations").fetchall()

    assert set(migrations()) == {name for (name,) in rows}


def test_the_clock_is_another(monkeypatch):
    monkeypatch.setattr(readiness, "CLOCK_SECONDS", -1.0)

    status, said = asked()

    assert (status, said["clock"]) == (503, False)


@pytest.mark.parametrize("role", ["app", "worker", "broker", "sealer"])
def test_each_role_may_ask_what_its_process_needs(role, settings):
    settings.MSPLEX_PROCESS = {"app": "gateway"}.get(role, role)
    with as_role(role):
        found = readiness.readiness()

    assert found.ok, found
    assert ("sealer" in found.parts) == (role in {"app", "worker"})


def test_beat_needs_the_queue_and_no_database(settings):
    settings.MSPLEX_PROCESS = "beat"
    with place(HOST="127.0.0.1", PORT=str(free_port())):
        found = readiness.readiness()

    assert found.ok
    assert found.parts.keys() == {"serving", "working", "redis"}


def test_who_asks_often_costs_nothing(monkeypatch):
    times = []
    monkeypatch.setattr(readiness, "_redis", lambda: times.append(1) or True)

    for _ in range(30):
        asked()

    assert len(times) <= 3


def test_while_one_asks_the_others_are_told_what_there_was(monkeypatch):
    asked()
    monkeypatch.setattr(readiness._kept, "at", 0.0)
    slow, go = threading.Event(), threading.Event()

    def wait():
        slow.set()
        return go.wait(10)

    monkeypatch.setattr(readiness, "_redis", wait)
    first = threading.Thread(target=readiness.readiness)
    first.start()
    assert slow.wait(10)
    assert readiness.readiness().ok  # at once, though the first has not heard yet
    go.set()
    first.join(10)


def test_a_door_that_drains_is_not_ready(monkeypatch):
    monkeypatch.setattr(draining, "_begun", threading.Event())
    draining.begin_draining()

    status, said = asked()

    assert (status, said["serving"], said["redis"]) == (503, False, True)
    assert Client().get("/healthz").status_code == 200


def test_a_loop_that_stands_still_is_seen(monkeypatch):
    pulse = Pulse()
    assert pulse.is_regular()
    pulse.feel()
    assert pulse.is_regular()
    now = time.monotonic()
    monkeypatch.setattr("msplex.pulse.time.monotonic", lambda: now + LONGEST_SECONDS + 1)
    assert not pulse.is_regular()


def test_nothing_of_the_deployment_is_said(settings):
    text = Client().get("/readyz").content.decode() + Client().get("/healthz").content.decode()

    for secret in ("127.0.0.1", "postgres", "msplex_", "0.1.0"):
        assert secret not in text
