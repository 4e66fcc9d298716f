"""`make test DATABASE_URL=...` sets passwords of roles, which a server shares: never those of an installation."""

import os
import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
import pytest

from msplex.runtime.home import ROOT, Home
from msplex.runtime.postgres import Postgres
from tests.conftest import database_in_use

ADMIN = os.environ.get("MSPLEX_ADMIN_DATABASE_URL", "")


def test_a_database_of_the_owner_means_an_installation_unless_it_is_a_tests() -> None:
    name = f"production_{secrets.token_hex(4)}"
    assert database_in_use(ADMIN) is None

    with psycopg.connect(ADMIN, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} OWNER msplex_owner".encode())
        try:
            assert database_in_use(ADMIN) == name
        finally:
            server.execute(f"DROP DATABASE {name}".encode())


@pytest.mark.slow
def test_the_run_ends_before_it_touches_a_server_in_use(home: Home) -> None:
    postgres = Postgres(home, throwaway=True, connections=20)
    postgres.start()
    try:
        with psycopg.connect(postgres.url, autocommit=True) as server:
            server.execute("CREATE DATABASE msplex")
            environment = {"MSPLEX_ADMIN_DATABASE_URL": postgres.url, "PATH": os.environ["PATH"]}
            run = subprocess.run(
                [sys.executable, "-m", "pytest", "tests/tenants", "-p", "no:cacheprovider"],
                cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            roles = server.execute(r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'msplex\_%'").fetchall()
    finally:
        postgres.stop()

    assert run.returncode == 2
    assert "has the database msplex of an installation" in run.stdout + run.stderr
    assert urlsplit(postgres.url).password not in run.stdout + run.stderr
    assert roles == []
