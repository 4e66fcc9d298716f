"""Keys that are derived from SECRET_KEY, one per use, and what is sealed or digested with them."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

NONCE_BYTES = 12
INTERRUPTED = b"msplex/identity/interrupted/v1"
SEED = b"msplex/identity/totp-seed/v1"
RECOVERY = b"msplex/identity/recovery-code/v1"


def _key(secret: str | bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length=32, salt=None, info=purpose).derive(force_bytes(secret))


def _keys(purpose: bytes) -> Iterator[bytes]:
    """The current key, then those of the secrets that are being phased out."""
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield _key(secret, purpose)


def derived(purpose: bytes, bound_to: bytes) -> Iterator[bytes]:
    """32 bytes that nobody can know without SECRET_KEY, and that are nowhere else; of the current one first."""
    for key in _keys(purpose):
        yield hmac.new(key, bound_to, hashlib.sha256).digest()


def seal(clear: bytes, *, purpose: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(next(_keys(purpose))).encrypt(nonce, clear, bound_to)


def unseal(sealed: bytes, *, purpose: bytes, bound_to: bytes) -> bytes:
    """InvalidTag when it was sealed for something else, or with a key that is gone."""
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    for key in _keys(purpose):
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, bound_to)
        except InvalidTag:
            continue
    raise InvalidTag


def seal_seed(seed: bytes, *, tenant: UUID, user: UUID) -> bytes:
    return seal(seed, purpose=SEED, bound_to=tenant.bytes + user.bytes)


def open_seed(sealed: bytes | memoryview, *, tenant: UUID, user: UUID) -> bytes:
    """InvalidTag when it was sealed for someone else, or with a key that is gone."""
    return unseal(bytes(sealed), purpose=SEED, bound_to=tenant.bytes + user.bytes)


def recovery_digests(code: str, *, user: UUID) -> list[bytes]:
    """Under the current key first. Keyed, so that a copy of the database is not enough to search for codes."""
    message = user.bytes + code.encode()
    return [hmac.new(key, message, hashlib.sha256).digest() for key in _keys(RECOVERY)]
