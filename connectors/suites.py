"""How a data key is wrapped to a key-encryption key: HPKE (RFC 9180) with X25519, or with ML-KEM-768 beside it.

The second follows a draft (draft-ietf-hpke-pq), so it is a choice of the installation. Every row and every key names
its suite, and both are read at any time.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

_X25519_BYTES = 32  # of either half


@dataclass(frozen=True, slots=True)
class SuiteSpec:
    """`short` is what the ids of its keys begin with. Keys travel as raw bytes."""

    id: str
    short: str
    hpke: Suite
    generate: Callable[[], bytes]
    private: Callable[[bytes], Any]
    public: Callable[[bytes], Any]
    public_bytes: Callable[[Any], bytes]


def _hybrid_private(raw: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    return (
        MLKEM768PrivateKey.from_seed_bytes(raw[:-_X25519_BYTES]),
        X25519PrivateKey.from_private_bytes(raw[-_X25519_BYTES:]),
    )


def _hybrid_generate() -> bytes:
    return MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw()


def _hybrid_public(raw: bytes) -> MLKEM768X25519PublicKey:
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(raw[:-_X25519_BYTES]),
        X25519PublicKey.from_public_bytes(raw[-_X25519_BYTES:]),
    )


def _hybrid_public_bytes(raw: bytes) -> bytes:
    first, second = _hybrid_private(raw)
    return first.public_key().public_bytes_raw() + second.public_key().public_bytes_raw()


X25519 = SuiteSpec(
    id="hpke-x25519-sha256-aes256gcm+aes256gcm",
    short="x25519",
    hpke=Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    generate=lambda: X25519PrivateKey.generate().private_bytes_raw(),
    private=X25519PrivateKey.from_private_bytes,
    public=X25519PublicKey.from_public_bytes,
    public_bytes=lambda raw: X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw(),
)
HYBRID = SuiteSpec(
    id="hpke-mlkem768x25519-shake256-aes256gcm+aes256gcm",
    short="hybrid",
    hpke=Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM),
    generate=_hybrid_generate,
    private=lambda raw: MLKEM768X25519PrivateKey(*_hybrid_private(raw)),
    public=_hybrid_public,
    public_bytes=_hybrid_public_bytes,
)
SUITES = {spec.id: spec for spec in (X25519, HYBRID)}
BY_SHORT = {spec.short: spec for spec in (X25519, HYBRID)}


class KeyUnusable(ValueError):
    """Bytes that are no key of the suite, or a suite that this release does not know."""


class WrappingKey:
    """The public half: wraps."""

    __slots__ = ("_key", "id", "raw", "suite")

    def __init__(self, suite: str, raw: bytes) -> None:
        spec = _spec(suite)
        try:
            self._key = spec.public(raw)
        except (ValueError, TypeError):
            raise KeyUnusable from None
        self.suite, self.raw, self.id = suite, raw, key_id(suite, raw)

    def wrap(self, data_key: bytes, info: bytes) -> bytes:
        return _spec(self.suite).hpke.encrypt(data_key, self._key, info=info)


class UnwrappingKey:
    """The private half: unwraps. Shows and serialises nothing of itself."""

    __slots__ = ("_key", "id", "suite", "wrapping")

    def __init__(self, suite: str, raw: bytes) -> None:
        spec = _spec(suite)
        try:
            self._key = spec.private(raw)
            self.wrapping = WrappingKey(suite, spec.public_bytes(raw))
        except (ValueError, TypeError):
            raise KeyUnusable from None
        self.suite, self.id = suite, self.wrapping.id

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes | None:
        """None if it was not wrapped to this key for this place."""
        try:
            return _spec(self.suite).hpke.decrypt(wrapped, self._key, info=info)
        except (InvalidTag, ValueError):
            return None

    def __repr__(self) -> str:
        return f"<private key {self.id}>"

    def __reduce__(self) -> str:
        message = "A private key is not serialised."
        raise TypeError(message)


def key_id(suite: str, public: bytes) -> str:
    """Follows from the key: a row cannot give one key the name of another."""
    return f"{_spec(suite).short}-" + base64.b32encode(hashlib.sha256(public).digest()[:10]).decode().lower()


def suite_of(name: str) -> str:
    """Of a key, by its id."""
    spec = BY_SHORT.get(name.partition("-")[0])
    if spec is None:
        raise KeyUnusable
    return spec.id


def _spec(suite: str) -> SuiteSpec:
    spec = SUITES.get(suite)
    if spec is None:
        raise KeyUnusable
    return spec
