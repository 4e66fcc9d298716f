"""What a process refuses to start with: somebody else's role, key or access, a role with powers, a role's settings."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection

from msplex import guard
from msplex.guard import ALL_KEYS, KEYS, ROLES, StartRefused, check_process, role_problems
from msplex.runtime.home import ROOT
from tenants.isolation import setup
from tenants.process import Process
from tests.conftest import PASSWORD, as_role, connected, role_url

Become = Callable[..., None]
RUNNING = sorted(KEYS)
COMMAND_URLS = ["MSPLEX_ADMIN_DATABASE_URL", "MSPLEX_MIGRATION_DATABASE_URL", "MSPLEX_PROVIDER_DATABASE_URL"]


@pytest.fixture
def become(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Be a process that is given exactly what is its own, but for the changes."""

    def put_on(process: Process, **changes: object) -> None:
        settings.MSPLEX_PROCESS = process.value
        given = {name: getattr(settings, name) if name in KEYS[process] else "" for name in ALL_KEYS}
        besides = {"COMMAND_URLS_GIVEN": [], "PRODUCTION": False, "SEALER_DIR": "sealer"}
        besides["BROKER_KEYRING"] = settings.BROKER_KEYRING
        monkeypatch.setattr(guard, "settings", SimpleNamespace(**{**besides, **given, **changes}))

    return put_on


def role_of(process: Process) -> str:
    return ROLES.get(process, "msplex_app").removeprefix("msplex_")


def admin(database: str | None = None) -> psycopg.Connection[Any]:
    place = {"dbname": database} if database else {}
    return psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True, **place)


@dataclass
class Probe:
    """A role made to be refused, in a database of its own."""

    role: str
    database: str
    server: psycopg.Connection[Any]

    def sql(self, statement: str) -> None:
        self.server.execute(statement.format(role=self.role, database=self.database).encode())

    def problems(self) -> str:
        url = role_url(self.role, self.database)
        with connected("default", url):
            return "\n".join(role_problems(Process.WORKER))


@pytest.fixture
def probe(scratch_database: Any) -> Iterator[Probe]:
    """Not named msplex_...: other tests look at every role that is."""
    role, database = f"probe_{secrets.token_hex(4)}", scratch_database.name
    with admin(database) as server:
        server.execute(f"CREATE ROLE {role} LOGIN NOINHERIT PASSWORD '{PASSWORD}'".encode())
        server.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}".encode())
        yield Probe(role, database, server)
        for ending in ("REASSIGN OWNED BY {} TO CURRENT_USER", "DROP OWNED BY {}"):  # what it owns; what it may
            server.execute(ending.format(role).encode())
        server.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("process", RUNNING)
def test_a_process_starts_with_what_is_its_own(become: Become, process: Process) -> None:
    become(process)

    with as_role(role_of(process)):
        check_process()


def test_what_serves_must_say_which_process_it_is(settings: Any) -> None:
    """The default is a command, which is held to nothing."""
    settings.MSPLEX_PROCESS = "command"

    with pytest.raises(StartRefused, match="MSPLEX_PROCESS"):
        check_process()


@pytest.mark.parametrize("process", RUNNING)
@pytest.mark.parametrize("name", sorted(ALL_KEYS))
def test_a_key_is_for_its_processes_alone(become: Become, process: Process, name: str) -> None:
    own = name in KEYS[process]
    become(process, **{name: "" if own else "somebody else's"})

    missing, given = f"MSPLEX_{name} (or MSPLEX_{name}_FILE) is missing.", f"MSPLEX_{name} must not be given to it."
    with as_role(role_of(process)), pytest.raises(StartRefused, match=re.escape(missing if own else given)):
        check_process()


@pytest.mark.parametrize("key", [b"short", b"x" * 31, b"x" * 33])
def test_a_context_key_of_another_length_is_refused(become: Become, key: bytes) -> None:
    become(Process.WORKER, CONTEXT_KEY=key)

    with as_role("worker"), pytest.raises(StartRefused, match="MSPLEX_CONTEXT_KEY must be 32 bytes"):
        check_process()


def test_the_broker_needs_a_whole_root_key(become: Become) -> None:
    become(Process.BROKER, BROKER_ROOT_KEY=(b"x" * 32, b"short"))

    with as_role("broker"), pytest.raises(StartRefused, match="MSPLEX_BROKER_ROOT_KEY must be 32 bytes"):
        check_process()


@pytest.mark.parametrize(
    ("mode", "problem"),
    [(None, "is not a directory that it may write to"), (0o750, "is open to others; chmod 700"), (0, "is missing")],
)
def test_the_broker_needs_a_key_ring_of_its_own(become: Become, tmp_path: Path, mode: int | None, problem: str) -> None:
    ring = tmp_path / "ring"
    if mode:
        ring.mkdir(mode=mode)
    become(Process.BROKER, BROKER_KEYRING="" if mode == 0 else str(ring))

    with as_role("broker"), pytest.raises(StartRefused, match=problem):
        check_process()


@pytest.mark.parametrize("process", RUNNING)
@pytest.mark.parametrize("name", COMMAND_URLS)
def test_the_access_of_commands_is_no_running_processs(become: Become, process: Process, name: str) -> None:
    become(process, COMMAND_URLS_GIVEN=[name])

    with as_role(role_of(process)), pytest.raises(StartRefused, match=f"{name} must not be given"):
        check_process()


STARTS = {
    "portal": ["-c", "import msplex.wsgi"],
    "gateway": ["-c", "import msplex.gateway.asgi"],
    "broker": ["-m", "celery", "-A", "msplex.celery:app", "worker", "-Q", "broker", "-c", "1"],
    "broker for calls": ["manage.py", "run_calls"],
    "beat": ["-m", "celery", "-A", "msplex.celery:app", "beat", "-s", "{tmp}/schedule", "--pidfile="],
}


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_a_real_process_ends_at_once_and_says_why(start: str, tmp_path: Any) -> None:
    process = start.partition(" ")[0]
    keys = {f"MSPLEX_{name}": os.environ[f"MSPLEX_{name}"] for name in KEYS[Process(process)]}
    role = ROLES.get(Process(process), "msplex_app")
    urls = {
        "DATABASE_URL": role_url(role, os.environ["MSPLEX_TEST_DATABASE"]),
        "MSPLEX_ADMIN_DATABASE_URL": "postgres://a@127.0.0.1/a",
        "MSPLEX_MIGRATION_DATABASE_URL": "postgres://m@127.0.0.1/m",
        "MSPLEX_PROVIDER_DATABASE_URL": "postgres://p@127.0.0.1/p",
        "REDIS_URL": os.environ["REDIS_URL"],
    }
    if process == "broker":
        keys["MSPLEX_BROKER_KEYRING"] = os.environ["MSPLEX_BROKER_KEYRING"]
    common = {"MSPLEX_ENV": "test", "MSPLEX_PROCESS": process, "PATH": os.environ["PATH"]}
    command = [sys.executable, *(word.format(tmp=tmp_path) for word in STARTS[start])]

    ended = subprocess.run(
        command, cwd=ROOT, env=keys | urls | common, capture_output=True, text=True, timeout=60, check=False
    )

    said = [f"- {name} must not be given to it: only commands have it." for name in COMMAND_URLS]
    assert ended.returncode != 0
    assert f"The {process} process does not start:\n" + "\n".join(said) + "\n" in ended.stdout + ended.stderr


@pytest.mark.parametrize("role", ["migrator", "worker", "broker", "sealer", "provider"])
def test_the_portal_runs_as_no_other_role(become: Become, role: str) -> None:
    become(Process.PORTAL)

    with as_role(role), pytest.raises(StartRefused, match=f"logs in as msplex_{role}; it must be msplex_app"):
        check_process()


def test_the_administrator_is_refused(become: Become) -> None:
    become(Process.PORTAL)
    url = urlsplit(os.environ["MSPLEX_ADMIN_DATABASE_URL"])._replace(path="/" + os.environ["MSPLEX_TEST_DATABASE"])

    with connected("default", urlunsplit(url)), pytest.raises(StartRefused, match="has SUPERUSER"):
        check_process()


@pytest.mark.parametrize("power", ["SUPERUSER", "BYPASSRLS", "CREATEROLE"])
def test_a_role_that_row_security_does_not_hold_is_refused(probe: Probe, power: str) -> None:
    probe.sql(f"ALTER ROLE {{role}} {power}")

    assert f"{probe.role} has SUPERUSER, BYPASSRLS or CREATEROLE" in probe.problems()


@pytest.mark.parametrize("group", ["msplex_owner", "pg_monitor"])
def test_a_member_of_another_role_is_refused(probe: Probe, group: str) -> None:
    assert "member" not in probe.problems()

    probe.sql(f"GRANT {group} TO {{role}}")

    assert f"{probe.role} is a member of another role." in probe.problems()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE content.loot (); ALTER TABLE content.loot OWNER TO {role}", "tables"),
        ("CREATE VIEW content.loot AS SELECT 1; ALTER VIEW content.loot OWNER TO {role}", "tables"),
        ("CREATE SCHEMA loot AUTHORIZATION {role}", "schemas"),
        ("CREATE TYPE content.loot AS ENUM (); ALTER TYPE content.loot OWNER TO {role}", "types"),
        ("ALTER DATABASE {database} OWNER TO {role}", "databases"),
        ("ALTER FUNCTION border.tenant_of(text, text) OWNER TO {role}", "functions"),
        (
            'CREATE COLLATION content.loot FROM "C"; ALTER COLLATION content.loot OWNER TO {role}',
            "objects in pg_collation",
        ),
    ],
)
def test_a_role_that_owns_anything_is_refused(probe: Probe, statement: str, what: str) -> None:
    assert "owns" not in probe.problems()

    for part in statement.split("; "):
        probe.sql(part)

    assert f"{probe.role} owns {what}; only msplex_owner may." in probe.problems()


def test_what_it_owns_in_another_database_counts_too(probe: Probe) -> None:
    with admin(os.environ["MSPLEX_TEST_DATABASE"]) as elsewhere:
        elsewhere.execute(f"CREATE SCHEMA {probe.role} AUTHORIZATION {probe.role}".encode())
        try:
            assert f"{probe.role} owns schemas" in probe.problems()
        finally:
            elsewhere.execute(f"DROP SCHEMA {probe.role}".encode())


SETTINGS = ["search_path = public, content", "statement_timeout = '1h'", "row_security = off"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_a_role_set_for_its_later_sessions_is_refused_until_it_is_taken_away(
    scratch_database: Any, setting: str
) -> None:
    """The application's own role does it, as injected SQL would; in this database only, for the other tests' sake."""
    with scratch_database("app"), connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE msplex_app IN DATABASE {scratch_database.name} SET {setting}")

    with scratch_database("app"):
        problems = list(role_problems(Process.PORTAL))
    with admin() as server:
        setup._database(server, scratch_database.name)
    with scratch_database("app"):
        mended = list(role_problems(Process.PORTAL))

    assert len(problems) == 1
    assert f"a setting that is not ours: {setting.partition(' ')[0]}=" in problems[0]
    assert mended == []


def test_what_a_role_set_for_every_database_is_refused_until_it_is_taken_away(probe: Probe) -> None:
    probe.sql("ALTER ROLE {role} SET work_mem = '1GB'")
    assert f"{probe.role} has a setting that is not ours: work_mem=1GB." in probe.problems()

    setup._settings(probe.server, probe.role)

    assert "setting" not in probe.problems()


@pytest.mark.parametrize("role", setup.LOGINS)
def test_what_setup_sets_is_what_the_guard_expects(role: str) -> None:
    with admin() as server:
        found = server.execute(
            "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole"
            " WHERE r.rolname = %s AND s.setdatabase = 0",
            [f"msplex_{role}"],
        )
        settings = {name.lower(): value for name, _, value in (row[0].partition("=") for row in found)}

    assert settings == setup.role_settings(f"msplex_{role}")


def test_who_opens_and_who_signs_is_alone_with_it():
    """Said here once more: what the table of the code says, a change of that table may not decide by itself."""
    holders = {key: {process for process in KEYS if key in KEYS[process]} for key in ALL_KEYS}

    assert holders["BROKER_ROOT_KEY"] == holders["BROKER_SIGNING_KEY"] == {Process.BROKER}
    assert holders["LOG_SIGNING_KEY"] == holders["PDF_SIGNING_KEY"] == {Process.SEALER}
    assert holders["TOKEN_SIGNING_KEY"] == {Process.PORTAL}
    assert KEYS[Process.GATEWAY] == {"CONTEXT_KEY", "RECORD_KEY", "TOKEN_VERIFY_KEY"}
