"""The broker's identity: an Ed25519 key that signs the registry of keys and every credential that it has adopted.

The broker has the private half (MSPLEX_BROKER_SIGNING_KEY), the portal pins the public one (MSPLEX_BROKER_VERIFY_KEY);
neither is in the database. Of several in a file the last signs, and all are believed.
"""

from functools import lru_cache
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connectors import compact
from connectors.sealing import context
from tenants.key_files import split_keys


def sign(label: str, *parts: bytes) -> bytes:
    return _private(settings.BROKER_SIGNING_KEY)[-1].sign(context(label, *parts))


def is_signed(signature: bytes, label: str, *parts: bytes) -> bool:
    """Whether the broker has signed exactly this."""
    return _is_signed(signature, context(label, *parts), tuple(map(compact.raw_of, believed())))


@lru_cache(maxsize=1024)
def _is_signed(signature: bytes, message: bytes, keys: tuple[bytes, ...]) -> bool:
    """Kept, because the same credential is opened again and again, and what was signed does not change."""
    return any(compact.verifies(Ed25519PublicKey.from_public_bytes(key), signature, message) for key in keys)


def sign_compact(typ: str, payload: bytes) -> str:
    """For those who are not of this deployment. What `sign` signs begins with a NUL, and this never does."""
    return compact.made(_private(settings.BROKER_SIGNING_KEY)[-1], typ, payload)


def believed() -> tuple[Ed25519PublicKey, ...]:
    if settings.BROKER_SIGNING_KEY:
        return _public_halves(settings.BROKER_SIGNING_KEY)
    return _public(settings.BROKER_VERIFY_KEY)


@lru_cache(maxsize=4)
def _private(text: str) -> tuple[Ed25519PrivateKey, ...]:
    found = [load_pem_private_key(pem.encode(), None) for pem in split_keys(text)]
    return tuple(key for key in found if isinstance(key, Ed25519PrivateKey)) or _none()


@lru_cache(maxsize=4)
def _public_halves(text: str) -> tuple[Ed25519PublicKey, ...]:
    return tuple(key.public_key() for key in _private(text))


@lru_cache(maxsize=4)
def _public(text: str) -> tuple[Ed25519PublicKey, ...]:
    found = [load_pem_public_key(pem.encode()) for pem in split_keys(text)]
    return tuple(key for key in found if isinstance(key, Ed25519PublicKey)) or _none()


def _none() -> NoReturn:
    message = "MSPLEX_BROKER_SIGNING_KEY or MSPLEX_BROKER_VERIFY_KEY must hold an Ed25519 key (PEM)."
    raise ImproperlyConfigured(message)
