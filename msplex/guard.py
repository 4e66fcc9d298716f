"""A process refuses to start with the wrong database role, or with a key that is not its own."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from tenants.process import Process, current_process

ROLES = {
    Process.PORTAL: "msplex_app",
    Process.GATEWAY: "msplex_app",
    Process.WORKER: "msplex_worker",
    Process.BROKER: "msplex_broker",
    Process.PROVIDER: "msplex_provider",
}
_EVERYBODY = {"CONTEXT_KEY"}
KEYS = {
    Process.PORTAL: _EVERYBODY | {"SECRET_KEY", "TOKEN_SIGNING_KEY", "TOKEN_VERIFY_KEY", "INTAKE_PUBLIC_KEY"},
    Process.GATEWAY: _EVERYBODY | {"TOKEN_VERIFY_KEY"},
    Process.WORKER: _EVERYBODY,
    Process.BROKER: _EVERYBODY | {"INTAKE_PRIVATE_KEY"},
    Process.BEAT: set(),
}
ALL_KEYS = {
    "SECRET_KEY",
    "CONTEXT_KEY",
    "TOKEN_SIGNING_KEY",
    "TOKEN_VERIFY_KEY",
    "INTAKE_PUBLIC_KEY",
    "INTAKE_PRIVATE_KEY",
}
CONTEXT_KEY_BYTES = 32


class StartRefused(SystemExit):
    """Says what is wrong with the process's role or keys."""


def check_process() -> None:
    process = current_process()
    problems = [
        *key_problems(process),
        *(passkey_problems() if process is Process.PORTAL and settings.PRODUCTION else ()),
        *(role_problems(process) if process in ROLES else ()),
    ]
    if problems:
        raise StartRefused(f"The {process} process does not start:\n" + "\n".join(f"- {line}" for line in problems))


def key_problems(process: Process) -> Iterator[str]:
    allowed = KEYS.get(process)
    if allowed is None:
        return
    for name in sorted(ALL_KEYS):
        present = _present(name)
        if present and name not in allowed:
            yield f"MSPLEX_{name} must not be given to it."
        if not present and name in allowed:
            yield f"MSPLEX_{name} (or MSPLEX_{name}_FILE) is missing."
    if settings.CONTEXT_KEY and len(settings.CONTEXT_KEY) != CONTEXT_KEY_BYTES:
        yield f"MSPLEX_CONTEXT_KEY must be {CONTEXT_KEY_BYTES} bytes in base64."


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
    expected = ROLES[process]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, session_user, r.rolsuper, r.rolbypassrls, r.rolcreaterole,"
            " EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid),"
            " EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)"
            " FROM pg_roles r WHERE r.rolname = session_user"
        )
        user, login, superuser, bypass, create_role, owns, member = cursor.fetchone()
    connection.close()
    if {user, login} != {expected}:
        yield f"DATABASE_URL logs in as {login}; it must be {expected}."
    if superuser or bypass or create_role:
        yield f"{login} has SUPERUSER, BYPASSRLS or CREATEROLE, which row-level security does not hold."
    if owns:
        yield f"{login} owns tables; only msplex_owner may."
    if member:
        yield f"{login} is a member of another role."
