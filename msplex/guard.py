"""A process refuses to start with the wrong database role, or with a key or an access that is not its own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from tenants.isolation.setup import role_settings
from tenants.process import Process, current_process

ROLES = {
    Process.PORTAL: "msplex_app",
    Process.GATEWAY: "msplex_app",
    Process.WORKER: "msplex_worker",
    Process.BROKER: "msplex_broker",
    Process.SEALER: "msplex_sealer",
    Process.PROVIDER: "msplex_provider",
}
_EVERYBODY = {"CONTEXT_KEY", "RECORD_KEY"}
KEYS = {
    Process.PORTAL: _EVERYBODY
    | {"SECRET_KEY", "TOKEN_SIGNING_KEY", "TOKEN_VERIFY_KEY", "BROKER_VERIFY_KEY"}
    | {"NOTIFY_PUBLIC_KEY", "PDF_CERTIFICATES"},
    Process.GATEWAY: _EVERYBODY | {"TOKEN_VERIFY_KEY"},
    Process.WORKER: _EVERYBODY | {"NOTIFY_KEY", "PDF_CERTIFICATES"},
    Process.BROKER: _EVERYBODY | {"BROKER_SIGNING_KEY", "BROKER_ROOT_KEY"},
    Process.SEALER: _EVERYBODY | {"LOG_SIGNING_KEY", "PDF_SIGNING_KEY", "PDF_CERTIFICATES"},
    Process.BEAT: set(),
    Process.PROVIDER: {"SECRET_KEY"},
}
ALL_KEYS = {
    "SECRET_KEY",
    "CONTEXT_KEY",
    "TOKEN_SIGNING_KEY",
    "TOKEN_VERIFY_KEY",
    "BROKER_SIGNING_KEY",
    "BROKER_VERIFY_KEY",
    "BROKER_ROOT_KEY",
    "LOG_SIGNING_KEY",
    "NOTIFY_KEY",
    "NOTIFY_PUBLIC_KEY",
    "PDF_SIGNING_KEY",
    "PDF_CERTIFICATES",
    "RECORD_KEY",
}
CONTEXT_KEY_BYTES = ROOT_KEY_BYTES = NOTIFY_KEY_BYTES = 32


_OWNED = {
    "pg_class": "tables",
    "pg_namespace": "schemas",
    "pg_proc": "functions",
    "pg_type": "types",
    "pg_database": "databases",
}


class StartRefused(SystemExit):
    """Says what is wrong with the process's role, keys or accesses."""


def check_process() -> None:
    """For what serves or works; a command is held to less, because it may be the administrator's."""
    process = current_process()
    if process is Process.COMMAND:
        raise StartRefused(
            "MSPLEX_PROCESS must say which process this is: portal, gateway, worker, broker, sealer, provider or beat."
        )
    problems = [
        *access_problems(),
        *key_problems(process),
        *(ring_problems() if process is Process.BROKER else ()),
        *(memory_problems() if process is Process.SEALER else ()),
        *(passkey_problems() if process is Process.PORTAL and settings.PRODUCTION else ()),
        *(role_problems(process) if process in ROLES else ()),
    ]
    if problems:
        raise StartRefused(f"The {process} process does not start:\n" + "\n".join(f"- {line}" for line in problems))


def access_problems() -> Iterator[str]:
    """Only commands become the administrator, the owner or the provider: with the URL there would be a way in."""
    for name in settings.COMMAND_URLS_GIVEN:
        yield f"{name} must not be given to it: only commands have it."


def key_problems(process: Process) -> Iterator[str]:
    allowed = KEYS[process]
    for name in sorted(ALL_KEYS):
        present = _present(name)
        if present and name not in allowed:
            yield f"MSPLEX_{name} must not be given to it."
        if not present and name in allowed:
            yield f"MSPLEX_{name} (or MSPLEX_{name}_FILE) is missing."
    if settings.CONTEXT_KEY and len(settings.CONTEXT_KEY) != CONTEXT_KEY_BYTES:
        yield f"MSPLEX_CONTEXT_KEY must be {CONTEXT_KEY_BYTES} bytes in base64."
    for name, keys in (("NOTIFY_KEY", settings.NOTIFY_KEY), ("NOTIFY_PUBLIC_KEY", [settings.NOTIFY_PUBLIC_KEY])):
        if any(key and len(key) != NOTIFY_KEY_BYTES for key in keys):
            yield f"MSPLEX_{name} must be {NOTIFY_KEY_BYTES} bytes in base64."


def ring_problems() -> Iterator[str]:
    """Where private halves of keys are: the broker's own directory, closed to everybody else."""
    if any(len(key) != ROOT_KEY_BYTES for key in settings.BROKER_ROOT_KEY):
        yield f"MSPLEX_BROKER_ROOT_KEY must be {ROOT_KEY_BYTES} bytes in base64."
    if not settings.BROKER_KEYRING:
        yield "MSPLEX_BROKER_KEYRING is missing: the directory of its key ring; not on the database's volume."
        return
    directory = Path(settings.BROKER_KEYRING)
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        yield f"MSPLEX_BROKER_KEYRING: {directory} is not a directory that it may write to."
    elif directory.stat().st_mode & 0o077:
        yield f"MSPLEX_BROKER_KEYRING: {directory} is open to others; chmod 700."


def memory_problems() -> Iterator[str]:
    if not settings.SEALER_DIR:
        yield "MSPLEX_SEALER_DIR is missing: where it remembers what it has signed; not on the database's volume."


def passkey_problems() -> Iterator[str]:
    """Browsers make passkeys for a name, and give them to pages at that name or below it."""
    name, host = settings.WEBAUTHN_RP_ID, urlsplit(settings.PUBLIC_URL).hostname or ""
    if not name:
        yield "MSPLEX_WEBAUTHN_RP_ID is missing: the name that passkeys are made for. It cannot be changed later."
    elif name != host and not host.endswith(f".{name}"):
        yield f"MSPLEX_WEBAUTHN_RP_ID is {name}; it must be {host}, the host of MSPLEX_PUBLIC_URL, or a parent of it."


def _present(name: str) -> bool:
    try:
        return bool(getattr(settings, name))
    except ImproperlyConfigured:  # Django's answer to an empty SECRET_KEY
        return False


def role_problems(process: Process) -> Iterator[str]:
    try:
        with connection.cursor() as cursor:
            yield from _powers(cursor, ROLES[process])
            yield from _possessions(cursor)
            yield from _settings(cursor)
    finally:
        connection.close()


def _powers(cursor: Any, expected: str) -> Iterator[str]:
    cursor.execute(
        "SELECT current_user, session_user, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole,"
        " EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid)"
        " FROM pg_catalog.pg_roles r WHERE r.rolname = session_user"
    )
    user, login, powerful, member = cursor.fetchone()
    if {user, login} != {expected}:
        yield f"DATABASE_URL logs in as {login}; it must be {expected}."
    if powerful:
        yield f"{login} has SUPERUSER, BYPASSRLS or CREATEROLE, which row-level security does not hold."
    if member:
        yield f"{login} is a member of another role."


def _possessions(cursor: Any) -> Iterator[str]:
    """pg_shdepend has an entry for whatever a role owns, of any kind, in every database of the server."""
    cursor.execute(
        "SELECT DISTINCT session_user, c.relname FROM pg_catalog.pg_shdepend d"
        " JOIN pg_catalog.pg_class c ON c.oid = d.classid JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid"
        " WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = session_user"
        " ORDER BY c.relname"
    )
    for login, catalogue in cursor.fetchall():
        yield f"{login} owns {_OWNED.get(catalogue, f'objects in {catalogue}')}; only msplex_owner may."


def _settings(cursor: Any) -> Iterator[str]:
    """A role may always ALTER itself, and what it sets so reaches every later session, whoever it works for."""
    cursor.execute(
        "SELECT session_user, unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s"
        " JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase"
        " WHERE r.rolname = session_user AND (s.setdatabase = 0 OR d.datname = current_database())"
    )
    for login, setting in cursor.fetchall():
        name, _, value = setting.partition("=")
        if role_settings(login).get(name.lower()) != value:
            yield f"{login} has a setting that is not ours: {setting}. `manage.py setup_database` takes it away."
