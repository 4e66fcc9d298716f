"""What proofs are made of."""

import base64
import hmac
import time


class Disproved(Exception):
    """The installation did not do what it should; says what it did instead."""


def expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise Disproved(otherwise)


def totp(secret: str, *, at: float | None = None) -> str:
    """RFC 6238 as an authenticator app does it: six digits, thirty seconds, SHA-1."""
    padded = secret.upper() + "=" * (-len(secret) % 8)
    step = int(time.time() if at is None else at) // 30
    digest = hmac.digest(base64.b32decode(padded), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"
