"""Signed words that others read: JWS in its compact form (RFC 7515), with Ed25519 (RFC 8037) and nothing else.

The key's own kind says how it is checked; `typ` says what the word is for, so that one is never taken for another.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LONGEST = 64 * 1024
PARTS = 3


def raw_of(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def kid_of(raw: bytes) -> str:
    """The thumbprint of a public key (RFC 7638)."""
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{encoded(raw)}"}}'
    return encoded(hashlib.sha256(jwk.encode()).digest())


def made(key: Ed25519PrivateKey, typ: str, payload: bytes) -> str:
    header = {"alg": "EdDSA", "kid": kid_of(raw_of(key.public_key())), "typ": typ}
    said = f"{encoded(json.dumps(header, separators=(',', ':'), sort_keys=True).encode())}.{encoded(payload)}"
    return f"{said}.{encoded(key.sign(said.encode()))}"


def opened(token: str, typ: str, keys: Iterable[Ed25519PublicKey]) -> dict[str, Any] | None:
    """What one of the keys has signed as a word of this kind; None for anything else, however it is malformed."""
    parts = token.split(".") if len(token) <= LONGEST and token.isascii() else []
    if len(parts) != PARTS:
        return None
    try:
        header, payload = (json.loads(decoded(part)) for part in parts[:2])
        signature = decoded(parts[2])
    except (ValueError, binascii.Error, RecursionError):
        return None
    if not isinstance(header, dict) or not isinstance(payload, dict) or set(header) != {"alg", "kid", "typ"}:
        return None
    if header["alg"] != "EdDSA" or header["typ"] != typ:
        return None
    fitting = (key for key in keys if kid_of(raw_of(key)) == header["kid"])
    said = f"{parts[0]}.{parts[1]}".encode()
    return payload if any(verifies(key, signature, said) for key in fitting) else None


def verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """ValueError for what is not the one way to write it."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encoded(data) != text:
        raise ValueError("not base64url")
    return data
