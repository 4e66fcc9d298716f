"""A real database for every worker of the run, cloned from one migrated template.

Tests commit. They are kept apart by what keeps tenants apart: each makes its own (tests/factories.py), so nothing is
rolled back or emptied, hooks on commit really run, and every test is also a test of the isolation.
"""

import base64
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from psycopg import sql

pytest_plugins = ["tests.processes", "tests.receivers.mail_server", "tests.receivers.ntfy_server"]

# Workers of one run share a password, so that they share the roles of the server.
RUN = os.environ.setdefault("MSPLEX_TEST_RUN", f"{os.getpid()}")
PASSWORD = os.environ.setdefault("MSPLEX_TEST_PASSWORD", "tests")
TEMPLATE = f"msplex_template_{RUN}"
IN_USE = (
    "The server of DATABASE_URL has the database {} of an installation. Roles belong to the whole server: the tests"
    " would change their passwords, and nothing of it could log in any more. Name a server that is not in use."
)


def _ed25519() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _pdf_keys() -> dict[str, str]:
    from audit.packs.certificates import CURVE, chain_of  # noqa: PLC0415

    signing, authority = (
        ec.generate_private_key(CURVE).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        for _ in range(2)
    )
    return {
        "MSPLEX_PDF_SIGNING_KEY": signing,
        "MSPLEX_PDF_CERTIFICATES": chain_of(signing, authority, "msplex.example"),
    }


def _notify_keys() -> dict[str, str]:
    key = X25519PrivateKey.generate()
    pair = {
        "MSPLEX_NOTIFY_KEY": key.private_bytes_raw(),
        "MSPLEX_NOTIFY_PUBLIC_KEY": key.public_key().public_bytes_raw(),
    }
    return {name: base64.b64encode(raw).decode() for name, raw in pair.items()}


def _keys() -> dict[str, str]:
    (token, token_public), (broker, broker_public) = _ed25519(), _ed25519()
    return {
        "MSPLEX_SECRET_KEY": secrets.token_urlsafe(48),
        "MSPLEX_CONTEXT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "MSPLEX_TOKEN_SIGNING_KEY": token,
        "MSPLEX_TOKEN_VERIFY_KEY": token_public,
        "MSPLEX_BROKER_SIGNING_KEY": broker,
        "MSPLEX_BROKER_VERIFY_KEY": broker_public,
        "MSPLEX_BROKER_ROOT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "MSPLEX_LOG_SIGNING_KEY": _ed25519()[0],
        **_pdf_keys(),
        **_notify_keys(),
        "MSPLEX_RECORD_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def role_url(role: str, database: str) -> str:
    """The server of the run, as another role, on another database."""
    parts = urlsplit(os.environ["MSPLEX_ADMIN_DATABASE_URL"])
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(PASSWORD)}@{place}", path=f"/{database}"))


def pytest_configure(config: pytest.Config) -> None:
    if not os.environ.get("MSPLEX_ADMIN_DATABASE_URL"):
        pytest.exit("The tests need a PostgreSQL server: run `make test` (or set MSPLEX_ADMIN_DATABASE_URL).", 2)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    if "MSPLEX_SECRET_KEY" not in os.environ:
        os.environ.update(_keys())
    os.environ["REDIS_URL"] = _own_redis(worker)
    os.environ.update(
        MSPLEX_ENV="test",
        MSPLEX_PROCESS="command",
        MSPLEX_BROKER_KEYRING=tempfile.mkdtemp(prefix="msplex-ring-"),
        MSPLEX_TEST_DATABASE=f"msplex_test_{RUN}_{worker}",
        DATABASE_URL=role_url("msplex_app", f"msplex_test_{RUN}_{worker}"),
        MSPLEX_PROVIDER_DATABASE_URL=role_url("msplex_provider", f"msplex_test_{RUN}_{worker}"),
        MSPLEX_VENDOR_NETWORKS="127.0.0.0/8",
        MSPLEX_SEAL_SECONDS="10",  # a machine that is busy with tests is no reason to refuse
        DJANGO_SETTINGS_MODULE="msplex.settings",
    )
    if worker == "main":
        if used := database_in_use(os.environ["MSPLEX_ADMIN_DATABASE_URL"]):
            pytest.exit(IN_USE.format(used), 2)
        _make_template()
    import django  # noqa: PLC0415 - the settings read the environment made above

    django.setup()
    # Workers inherit the environment, and pytest-django would read the settings before this function has run there.
    del os.environ["DJANGO_SETTINGS_MODULE"]


def _own_redis(worker: str) -> str:
    """A database of its own for each worker, or one's broker would take another's messages."""
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379").partition("?")[0].rstrip("/")
    return f"{url}?db={2 * int(worker.removeprefix('gw')) + 2 if worker.startswith('gw') else 0}"


def stack_redis() -> str:
    """That of the processes which tests/gateway starts: they must not take what other tests of the worker enqueue."""
    url, _, number = os.environ["REDIS_URL"].partition("?db=")
    return f"{url}?db={int(number) + 1}"


def database_in_use(admin_url: str) -> str | None:
    """An installation's database on this server: by the usual name, or because it is the owner's and not a test's."""
    query = (
        "SELECT datname FROM pg_database WHERE datname = 'msplex' OR datdba = to_regrole('msplex_owner')"
        r" AND datname !~ '^msplex_(template|test|scratch)_' ORDER BY datname LIMIT 1"
    )
    with psycopg.connect(admin_url) as server:
        found = server.execute(query).fetchone()
    return found[0] if found else None


def _make_template() -> None:
    """Once a run, by the process that starts the workers."""
    from tenants.isolation import setup  # noqa: PLC0415

    setup.set_up(
        os.environ["MSPLEX_ADMIN_DATABASE_URL"],
        name=TEMPLATE,
        key=base64.b64decode(os.environ["MSPLEX_CONTEXT_KEY"]),
        key_id=1,
        passwords=dict.fromkeys(setup.LOGINS, PASSWORD),
    )
    env = os.environ | {"MSPLEX_MIGRATION_DATABASE_URL": role_url("msplex_migrator", TEMPLATE)}
    command = [sys.executable, "manage.py", "migrate", "--database=migrate", "-v0", "--skip-checks"]
    done = subprocess.run(command, env=env, cwd=Path(__file__).parent.parent, check=False)
    if done.returncode:
        pytest.exit("The migrations failed; see above.", 2)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Said at once as well as at the end: a run that is cut off in between has said why."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        why = report.longreprtext.strip().splitlines()
        print(f"\n{report.when} of {report.nodeid} failed: {why[-1] if why else ''}"[:400], file=sys.stderr, flush=True)


def _admin() -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True)


def clone(name: str) -> None:
    with _admin() as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER msplex_owner").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
        server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        server.execute(
            sql.SQL(
                "GRANT CONNECT ON DATABASE {} TO msplex_migrator, msplex_app, msplex_worker, msplex_broker,"
                " msplex_sealer, msplex_provider"
            ).format(sql.Identifier(name))
        )


def drop(name: str) -> None:
    with _admin() as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not os.environ.get("PYTEST_XDIST_WORKER") and not hasattr(session.config, "workerinput"):
        with contextlib.suppress(psycopg.Error):
            drop(TEMPLATE)


@pytest.fixture(scope="session", autouse=True)
def _database(django_db_blocker: object) -> Iterator[None]:
    """The worker's own database, open to every test: isolation is by tenant, not by rollback."""
    from django.db import connections  # noqa: PLC0415

    name = os.environ["MSPLEX_TEST_DATABASE"]
    drop(name)
    clone(name)
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _publish_keys()
        yield
        connections.close_all()
    drop(name)
    shutil.rmtree(os.environ["MSPLEX_BROKER_KEYRING"])


def _publish_keys() -> None:
    """What the broker does when it starts: without it nothing can be sealed."""
    from connectors.upkeep import ensure_keys  # noqa: PLC0415

    with as_role("broker"):
        ensure_keys(datetime.now(UTC))


def sealer_environment(directory: Path, database: str | None = None) -> dict[str, str]:
    """What the sealer's process gets, for a database of the tests."""
    keys = (
        "PATH", "LANG", "MSPLEX_CONTEXT_KEY", "MSPLEX_RECORD_KEY", "MSPLEX_LOG_SIGNING_KEY", "MSPLEX_PDF_SIGNING_KEY",
        "MSPLEX_PDF_CERTIFICATES",
    )  # fmt: skip
    return {name: os.environ[name] for name in keys if name in os.environ} | {
        "DATABASE_URL": role_url("msplex_sealer", database or os.environ["MSPLEX_TEST_DATABASE"]),
        "MSPLEX_ENV": "test",
        "MSPLEX_PROCESS": "sealer",
        "MSPLEX_SEALER_DIR": str(directory),
        "PYTHONUNBUFFERED": "1",
    }


def start_sealer(directory: Path, database: str | None = None) -> "subprocess.Popen[bytes]":
    """It works when this returns."""
    command = [sys.executable, "manage.py", "seal"]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parent.parent, env=sealer_environment(directory, database), stdout=subprocess.PIPE
    )
    assert process.stdout
    with process.stdout as said:
        assert said.readline() == b"The sealer works.\n"
    return process


@pytest.fixture(scope="session", autouse=True)
def sealer(_database: None) -> Iterator[None]:
    """The worker's database is sealed, by a process as in a deployment: without it changes stop after a minute.

    Its memory is in memory: what the servers of the tests write would hold up each sync of a disk, for seconds.
    """
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="msplex-sealer-", dir=fast if fast.is_dir() else None) as directory:
        process = start_sealer(Path(directory) / "memory")
        yield
        assert process.poll() is None
        process.terminate()
        process.wait(10)


@pytest.fixture(autouse=True)
def _no_preview_is_waited_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker of these tests reads one by itself, so that people would wait for it in vain."""
    if "waits_for_previews" not in request.fixturenames:
        monkeypatch.setattr("approvals.effects.services.WAIT", timedelta(0))


@pytest.fixture
def waits_for_previews() -> None:
    """As in a deployment."""


@pytest.fixture(autouse=True)
def _no_context_left() -> Iterator[None]:
    from tenants.isolation.context import current  # noqa: PLC0415

    assert current() is None
    yield
    assert current() is None


@contextlib.contextmanager
def connected(alias: str, url: str, *, pool_size: int = 0) -> Iterator[None]:
    from django.db import connections  # noqa: PLC0415

    from msplex import databases  # noqa: PLC0415

    before = connections[alias]
    settings_dict = before.settings_dict | databases.application(url, pool_size=pool_size, bounded=False)
    connections[alias] = type(before)(settings_dict, alias)
    try:
        yield
    finally:
        connections[alias].close()
        connections[alias].close_pool()
        connections[alias] = before


@contextlib.contextmanager
def as_role(role: str, database: str | None = None, *, pool_size: int = 0) -> Iterator[None]:
    """Speak to the database as another process does: connections["default"] is that role's."""
    url = role_url(f"msplex_{role}", database or os.environ["MSPLEX_TEST_DATABASE"])
    with connected("default", url, pool_size=pool_size):
        yield


@contextlib.contextmanager
def as_owner(statement: str, undo: str = "") -> Iterator[None]:
    """In a transaction that stays open for the block; with `undo`, committed at once and undone after it."""
    from django.db import connection  # noqa: PLC0415

    with as_role("migrator"), connection.cursor() as cursor:
        cursor.execute("SET ROLE msplex_owner")
        cursor.execute("SELECT 1" if undo else "BEGIN")
        cursor.execute(statement)
        try:
            yield
        finally:
            cursor.execute(undo or "ROLLBACK")


@pytest.fixture
def scratch_database() -> Iterator[Callable[[str], contextlib.AbstractContextManager[None]]]:
    """A clone to break: `with scratch_database("app"): ...`; every call is the same database as that role."""
    name = f"msplex_scratch_{RUN}_{secrets.token_hex(4)}"
    clone(name)

    @contextlib.contextmanager
    def enter(role: str = "app") -> Iterator[None]:
        with as_role(role, name), connected("provider", role_url("msplex_provider", name)):
            yield

    enter.name = name  # type: ignore[attr-defined]
    yield enter
    drop(name)
