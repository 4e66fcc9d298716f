"""The keys that sign checkpoints. Private halves: the sealer's alone, as PEM after PEM, the newest last."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from django.conf import settings
from django.db import connection

from tenants.key_files import split_keys


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key that signs, or has signed. `until`: when the next one took over; None for the one of now."""

    public: bytes
    since: datetime
    until: datetime | None

    @property
    def fingerprint(self) -> str:
        """What the verifier and the packs call it."""
        return hashlib.sha256(self.public).hexdigest()[:16]

    @property
    def pem(self) -> str:
        key = Ed25519PublicKey.from_public_bytes(self.public)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class KeyUnusable(ValueError):
    """MSPLEX_LOG_SIGNING_KEY holds no Ed25519 key."""


def private_keys(text: str | None = None) -> list[Ed25519PrivateKey]:
    """Oldest first. Of the setting, unless a text is given."""
    found = [load_pem_private_key(pem.encode(), None) for pem in split_keys(text or settings.LOG_SIGNING_KEY)]
    keys = [key for key in found if isinstance(key, Ed25519PrivateKey)]
    if not keys or len(keys) != len(found):
        raise KeyUnusable("MSPLEX_LOG_SIGNING_KEY must hold Ed25519 keys (PKCS#8, PEM).")
    return keys


def public_of(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def log_keys() -> list[LogKey]:
    """Every key that has signed in this installation, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT public, since FROM border.log_key ORDER BY since")
        rows = cursor.fetchall()
    ends = [since for _, since in rows[1:]]
    return [LogKey(bytes(public), since, until) for (public, since), until in zip_longest(rows, ends)]


def publish(public: bytes) -> None:
    """By the sealer. A key that is there already keeps its date."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO border.log_key (public) VALUES (%s) ON CONFLICT DO NOTHING", [public])


def installation() -> str:
    """The name that this installation's checkpoints begin with, from its address of now; each tree keeps its own."""
    return urlsplit(settings.PUBLIC_URL).netloc
