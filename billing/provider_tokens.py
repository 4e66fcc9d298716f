"""Tokens of the provider's own programs. The database keeps their digests, in a table that only its role can read."""

import hashlib
import secrets

from django.db import connections, transaction

from billing.provider import alias
from tenants.errors import Invalid, NotFound
from tenants.ids import uuid7

PREFIX = "msplex_provider_"
LONGEST_NAME = 80


def make_token(name: str) -> str:
    """For one program, by which it is revoked. It is told once."""
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid(f"Name the program that will use it, in at most {LONGEST_NAME} letters.", field="name")
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute(
            "INSERT INTO provider.token (id, name, digest) VALUES (%s, %s, %s)", [uuid7(), name, _digest(token)]
        )
    return token


def revoke_tokens(name: str) -> int:
    """All of that name, for the next request. NotFound if there is none."""
    with transaction.atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute("UPDATE provider.token SET revoked_at = now() WHERE name = %s AND revoked_at IS NULL", [name])
        if not cursor.rowcount:
            raise NotFound
        return int(cursor.rowcount)


def holder_of(token: str) -> str | None:
    """Whose token it is; None for one that is unknown or revoked."""
    with transaction.atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute("SELECT name FROM provider.token WHERE digest = %s AND revoked_at IS NULL", [_digest(token)])
        row = cursor.fetchone()
    return str(row[0]) if row else None


def _digest(token: str) -> bytes:
    """It is random and long, so a digest alone keeps it; and to compare digests tells nothing of it."""
    return hashlib.sha256(token.encode()).digest()
