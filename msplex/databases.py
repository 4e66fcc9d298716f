"""DATABASES out of URLs: postgres://role:password@host:port/name, or ?host=/socket/directory."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg

ENGINE = "tenants.isolation.postgresql"


def _discard(connection: psycopg.Connection[Any]) -> None:
    """What one request left in a pooled session must not meet the next: prepared statements, GUCs, cursors."""
    connection.autocommit = True
    connection.execute("DISCARD ALL")


def parse(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise SystemExit("DATABASE_URL must start with postgres://")
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": ENGINE,
        "HOST": query.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": query.pop("port", None) or str(parts.port or ""),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": unquote(parts.path.lstrip("/")),
        "OPTIONS": query,
    }


def application(url: str, *, pool_size: int, bounded: bool) -> dict[str, Any]:
    """A process's own connection. `bounded`: no statement may take longer than the audit log's limit."""
    database = parse(url)
    options = database["OPTIONS"] | {"server_side_binding": True}
    if pool_size:
        options["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": 1,
            "reset": _discard,
        }
    if bounded:
        options["options"] = "-c statement_timeout=1200 -c lock_timeout=500"
    # Looked at before it is given out: after a restart of the server each of them would otherwise fail somebody once.
    return database | {"OPTIONS": options, "CONN_HEALTH_CHECKS": bool(pool_size)}


def migration(url: str) -> dict[str, Any]:
    database = parse(url)
    return database | {"OPTIONS": database["OPTIONS"] | {"assume_role": "msplex_owner"}}
