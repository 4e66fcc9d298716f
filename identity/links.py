"""Links that are sent by mail: each is good for one thing, once, and for a while. The database has their digests.

The signature is checked before any tenant's context is opened, so that nobody but us chooses one by an address.
"""

import base64
import dataclasses
import hashlib
import secrets
from enum import StrEnum
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core import signing

SECRET_BYTES = 32
TENANT_BYTES = 16
NONCE_BYTES = 12
LONGEST_TOKEN = 200
FOR_THE_WORKER = b"msplex/identity/mail-link/v1"


class Purpose(StrEnum):
    """Also the part of the address: /links/<purpose>/<token>/."""

    INVITATION = "invitation"
    PASSWORD = "password"  # noqa: S105 - not a password
    EMAIL = "email"
    EMAIL_UNDO = "email-undo"


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    purpose: Purpose
    tenant_id: UUID
    secret: bytes

    @classmethod
    def new(cls, purpose: Purpose, tenant_id: UUID) -> Self:
        return cls(purpose, tenant_id, secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def read(cls, purpose: Purpose, token: str) -> Self | None:
        """None: we did not make it, or not for this purpose. Whether it is still good is the database's to say."""
        if len(token) > LONGEST_TOKEN:
            return None
        try:
            raw = base64.urlsafe_b64decode(_signer(purpose).unsign(token))
        except (signing.BadSignature, ValueError):
            return None
        if len(raw) != TENANT_BYTES + SECRET_BYTES:
            return None
        return cls(purpose, UUID(bytes=raw[:TENANT_BYTES]), raw[TENANT_BYTES:])

    @property
    def token(self) -> str:
        return _signer(self.purpose).sign(base64.urlsafe_b64encode(self.tenant_id.bytes + self.secret).decode())

    @property
    def url(self) -> str:
        return f"{settings.PUBLIC_URL}/links/{self.purpose}/{self.token}/"

    def digest(self) -> bytes:
        return hashlib.sha256(self.purpose.encode() + b"\0" + self.secret).digest()


def _signer(purpose: Purpose) -> signing.Signer:
    return signing.Signer(salt=f"identity.links.{purpose}", sep=".")


def _worker_key() -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), length=32, salt=None, info=FOR_THE_WORKER).derive(settings.CONTEXT_KEY))


def seal_url(url: str, *, tenant: UUID, mail: UUID) -> bytes:
    """For the row that waits for the worker, which has the context key too: never in clear in a table or a queue."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _worker_key().encrypt(nonce, url.encode(), tenant.bytes + mail.bytes)


def open_url(sealed: bytes | memoryview, *, tenant: UUID, mail: UUID) -> str | None:
    """None: sealed for another message, or under a context key that has been replaced since."""
    nonce, ciphertext = bytes(sealed[:NONCE_BYTES]), bytes(sealed[NONCE_BYTES:])
    try:
        return _worker_key().decrypt(nonce, ciphertext, tenant.bytes + mail.bytes).decode()
    except InvalidTag:
        return None
