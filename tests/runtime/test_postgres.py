import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from msplex.runtime.home import Home
from msplex.runtime.postgres import Postgres
from msplex.runtime.processes import working_in


@pytest.fixture
def postgres(home: Home) -> Iterator[Postgres]:
    postgres = Postgres(home, throwaway=True, connections=20)
    postgres.start()
    yield postgres
    postgres.stop()


def test_postgres_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT datlocprovider FROM pg_database WHERE datname = 'template0'").fetchone() == (
            "b",
        )

    with pytest.raises(psycopg.OperationalError, match="no password"):
        psycopg.connect(host=str(postgres.home.sockets), user="msplex", dbname="postgres", passfile="/dev/null")


def test_postgres_keeps_its_data_and_its_files_private(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept ()")
    postgres.stop()
    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT FROM kept").fetchall() == []
    assert {oct(path.stat().st_mode & 0o777) for path in (postgres.data, postgres.home.sockets)} == {"0o700"}


def test_stale_pid_file_naming_a_stranger_neither_stops_the_start_nor_harms_the_stranger(postgres: Postgres) -> None:
    postgres.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (postgres.data / "postmaster.pid").write_text(f"{stranger.pid}\n{postgres.data}\n")

    postgres.start()

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_server_left_behind_is_ended_before_the_data_is_opened_again(postgres: Postgres) -> None:
    left_behind = postgres.pid
    assert left_behind
    another = Postgres(postgres.home, throwaway=True, connections=20)

    another.start()

    assert postgres._process
    postgres._process.wait(5)
    assert another.pid in working_in(another.data)
    another.stop()


def test_half_made_cluster_is_made_again(home: Home) -> None:
    (home.for_server("postgres.new") / "PG_VERSION").write_text("18")
    postgres = Postgres(home, throwaway=True, connections=20)

    postgres.start()

    psycopg.connect(postgres.url).close()
    postgres.stop()


def test_postgres_that_was_killed_recovers_what_was_committed(home: Home) -> None:
    postgres = Postgres(home, connections=20)
    postgres.start()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept ()")
    assert postgres._process
    postgres._process.kill()
    postgres._process.wait()

    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT FROM kept").fetchall() == []
    postgres.stop()
