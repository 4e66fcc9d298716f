"""Roles, schemas and the context key of a database: what its administrator does once. Safe to run again."""

import secrets
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

HERE = Path(__file__).parent / "sql"
LOGINS = ("migrator", "app", "worker", "broker", "sealer", "provider")
SETTINGS = {
    "migrator": {"search_path": "content, pg_catalog, pg_temp"},
    "app": {"search_path": "content, pg_catalog, pg_temp", "statement_timeout": "30s"},
    "worker": {"search_path": "content, pg_catalog, pg_temp"},
    "broker": {"search_path": "content, pg_catalog, pg_temp"},
    "sealer": {"search_path": "content, pg_catalog, pg_temp"},
    "provider": {"search_path": "provider, border, pg_catalog, pg_temp"},
}
# A transaction that waits for nothing but its client is ended: an open one holds locks and a signed context.
COMMON = {"timezone": "UTC", "idle_in_transaction_session_timeout": "60s"}
IPAD, OPAD, BLOCK = 0x36, 0x5C, 64

Connection = psycopg.Connection[Any]


def set_up(admin_url: str, *, name: str, key: bytes, key_id: int, passwords: dict[str, str]) -> list[str]:
    """Make database `name` ready to migrate. Returns what could not be done, one sentence each."""
    with psycopg.connect(admin_url, autocommit=True) as server:
        _roles(server, passwords)
        _database(server, name)
    with psycopg.connect(admin_url, dbname=name, autocommit=True) as database:
        database.execute((HERE / "database.sql").read_bytes())
        _context_key(database, key, key_id)
        return _harden(database)


def role_settings(login: str) -> dict[str, str]:
    """What a login role's sessions begin with; every other setting of the role is somebody else's (msplex.guard)."""
    role = login.removeprefix("msplex_")
    return SETTINGS[role] | COMMON if role in SETTINGS else {}


def _one(connection: Connection, query: str, *args: object) -> bool:
    return connection.execute(query.encode(), args).fetchone() is not None


def _roles(server: Connection, passwords: dict[str, str]) -> None:
    for role in ("owner", "keeper", *LOGINS):
        login = "LOGIN" if role in LOGINS else "NOLOGIN"
        name = sql.Identifier(f"msplex_{role}")
        if not _one(server, "SELECT 1 FROM pg_roles WHERE rolname = %s", f"msplex_{role}"):
            server.execute(sql.SQL("CREATE ROLE {} " + login + " NOINHERIT").format(name))
        if role in passwords:
            server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(passwords[role])))
        _settings(server, f"msplex_{role}")
    # NOINHERIT: the migrator has the owner's rights only after SET ROLE.
    server.execute("GRANT msplex_owner TO msplex_migrator")
    server.execute("GRANT msplex_owner, msplex_keeper TO CURRENT_USER")


def _settings(server: Connection, login: str) -> None:
    """Ours and no others, at once: a session that begins meanwhile has the old ones or the new ones."""
    name = sql.Identifier(login)
    with server.transaction():
        server.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(name))
        for setting, value in role_settings(login).items():
            parts = sql.SQL(", ").join(sql.Literal(part.strip()) for part in value.split(","))
            server.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), parts))


def _database(server: Connection, name: str) -> None:
    database = sql.Identifier(name)
    if not _one(server, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        options = " TEMPLATE template0 ENCODING 'UTF8'"
        server.execute(sql.SQL("CREATE DATABASE {} OWNER msplex_owner" + options).format(database))
    # No TEMPORARY for anyone: a temporary table could shadow a real one.
    server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    logins = [sql.Identifier(f"msplex_{role}") for role in LOGINS]
    server.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.SQL(", ").join(logins)))
    for login in logins:  # those of the role for every database: _settings()
        server.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(login, database))


def _context_key(database: Connection, key: bytes, key_id: int) -> None:
    padded = key.ljust(BLOCK, b"\0")
    pads = [bytes(byte ^ pad for byte in padded) for pad in (IPAD, OPAD)]
    database.execute("SET ROLE msplex_keeper")
    database.execute(
        "INSERT INTO msplex.context_key VALUES (%s, %s, %s)"
        " ON CONFLICT (kid) DO UPDATE SET ipad = excluded.ipad, opad = excluded.opad",
        [key_id, *pads],
    )
    database.execute("RESET ROLE")


def _harden(database: Connection) -> list[str]:
    try:
        database.execute((HERE / "harden.sql").read_bytes())
    except psycopg.errors.InsufficientPrivilege:
        return ["Not a superuser: the application's role can still see its other sessions in pg_stat_activity."]
    return []


def passwords_in(directory: Path) -> dict[str, str]:
    """One file per login role, made if it is missing, readable by its owner only."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = {}
    for role in LOGINS:
        path = directory / f"msplex_{role}.password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32))
        passwords[role] = path.read_text().strip()
    return passwords
