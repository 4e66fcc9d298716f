"""Envelope of a credential: a data key per version, wrapped with HPKE to the intake key; everything bound to its place.

Sealing needs the public key alone. What binds a sealed value to its tenant, credential, version and key is
authenticated data, so a row that is moved or relabelled does not open.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

SUITE_ID = "hpke-x25519-sha256-aes256gcm+aes256gcm"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_NONCE = 12
_KEY = 32


class SealBroken(Exception):
    """Not sealed for this place, not with this key, or altered."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs."""

    tenant: UUID
    credential: UUID
    version: int
    kek_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    payload: bytes
    wrapped_key: bytes

    def to_bytes(self) -> bytes:
        return len(self.wrapped_key).to_bytes(4, "big") + self.wrapped_key + self.payload

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Sealed":
        end = 4 + int.from_bytes(raw[:4], "big")
        if len(raw) < end + _NONCE:
            raise SealBroken
        return cls(payload=raw[end:], wrapped_key=raw[4:end])


def seal(plain: bytes, *, public_key: bytes, place: Place) -> Sealed:
    data_key, nonce = os.urandom(_KEY), os.urandom(_NONCE)
    payload = nonce + AESGCM(data_key).encrypt(nonce, plain, _context("payload", place))
    wrapped = _SUITE.encrypt(data_key, X25519PublicKey.from_public_bytes(public_key), info=_context("dek", place))
    return Sealed(payload=payload, wrapped_key=wrapped)


def unseal(sealed: Sealed, *, private_key: bytes, place: Place) -> bytes:
    plain = _unseal(sealed, private_key, place)
    if plain is None:  # raised out here so that no frame with a key hangs on the exception
        raise SealBroken
    return plain


def _unseal(sealed: Sealed, private_key: bytes, place: Place) -> bytes | None:
    try:
        key = X25519PrivateKey.from_private_bytes(private_key)
        data_key = _SUITE.decrypt(sealed.wrapped_key, key, info=_context("dek", place))
        nonce, body = sealed.payload[:_NONCE], sealed.payload[_NONCE:]
        return AESGCM(data_key).decrypt(nonce, body, _context("payload", place))
    except (InvalidTag, ValueError):
        return None


def digest(sealed: bytes) -> str:
    return hashlib.sha256(sealed).hexdigest()


def key_id(public_key: bytes) -> str:
    return "x25519-" + base64.b32encode(hashlib.sha256(public_key).digest()[:10]).decode().lower()


def public_part(private_key: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def _context(label: str, place: Place) -> bytes:
    """Each part behind its own length: no two lists of parts give the same bytes."""
    parts = [
        b"msplex/secret/v1",
        label.encode(),
        place.tenant.bytes,
        place.credential.bytes,
        str(place.version).encode(),
        place.kek_id.encode(),
        SUITE_ID.encode(),
    ]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
