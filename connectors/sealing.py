"""Envelope of a credential: a data key per version, wrapped to a key-encryption key; everything bound to its place.

Sealing needs a public key alone. What binds a sealed value to its tenant, credential, version and customer, and its
data key to the key that wraps it, is authenticated data, so a row that is moved or relabelled does not open. The
payload does not name the wrapping key: that one is replaced without touching the payload.
"""

import hashlib
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.suites import UnwrappingKey, WrappingKey

_NONCE = 12
_KEY = 32


class SealBroken(Exception):
    """Not sealed for this place, not with this key, or altered."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs. Without `customer`, to a connection as a whole."""

    tenant: UUID
    credential: UUID
    version: int
    customer: UUID | None = None

    def parts(self) -> tuple[bytes, ...]:
        whose = self.customer.bytes if self.customer else b""
        return self.tenant.bytes, self.credential.bytes, str(self.version).encode(), whose


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


def seal(plain: bytes, *, key: WrappingKey, place: Place) -> Sealed:
    data_key, nonce = os.urandom(_KEY), os.urandom(_NONCE)
    payload = nonce + AESGCM(data_key).encrypt(nonce, plain, context("payload", *place.parts()))
    return Sealed(payload=payload, wrapped_key=key.wrap(data_key, _wrapping(place, key)))


def unseal(sealed: Sealed, *, key: UnwrappingKey, place: Place) -> bytes:
    plain = _unsealed(sealed, key, place)
    if plain is None:  # raised out here so that no frame with a data key hangs on the exception
        raise SealBroken
    return plain


def _unsealed(sealed: Sealed, key: UnwrappingKey, place: Place) -> bytes | None:
    return _decrypted(sealed.payload, key.unwrap(sealed.wrapped_key, _wrapping(place, key)), place)


def rewrapped(sealed: Sealed, *, key: UnwrappingKey, to: WrappingKey, place: Place) -> Sealed:
    """The same data key under another key; that it opens the payload is proved first."""
    wrapped = _rewrapped(sealed, key, to, place)
    if wrapped is None:
        raise SealBroken
    return Sealed(sealed.payload, wrapped)


def _rewrapped(sealed: Sealed, key: UnwrappingKey, to: WrappingKey, place: Place) -> bytes | None:
    data_key = key.unwrap(sealed.wrapped_key, _wrapping(place, key))
    if data_key is None or _decrypted(sealed.payload, data_key, place) is None:
        return None
    return to.wrap(data_key, _wrapping(place, to))


def reencrypted(sealed: Sealed, *, key: UnwrappingKey, to: WrappingKey, place: Place) -> Sealed:
    """Under a new data key as well: whoever knew the old one learns nothing of what is stored from now on."""
    return seal(unseal(sealed, key=key, place=place), key=to, place=place)


def _decrypted(payload: bytes, data_key: bytes | None, place: Place) -> bytes | None:
    if data_key is None:
        return None
    try:
        return AESGCM(data_key).decrypt(payload[:_NONCE], payload[_NONCE:], context("payload", *place.parts()))
    except (InvalidTag, ValueError):
        return None


def digest(sealed: bytes) -> str:
    return hashlib.sha256(sealed).hexdigest()


def context(label: str, *parts: bytes) -> bytes:
    """Each part behind its own length: no two lists of parts give the same bytes."""
    named = (b"msplex/secret/v3", label.encode(), *parts)
    return b"".join([len(part).to_bytes(4, "big") + part for part in named])  # a list: it is asked for very often


def _wrapping(place: Place, key: WrappingKey | UnwrappingKey) -> bytes:
    return context("dek", *place.parts(), key.id.encode(), key.suite.encode())
