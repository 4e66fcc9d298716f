"""The secret of a service account: 256 random bits with a mark that scanners find and a checksum that catches typos."""

import base64
import hashlib
import secrets
import zlib
from uuid import UUID

MARK = "mspx_sa_"
CLIENT_MARK = "mspx_c_"
PREFIX_LENGTH = len(MARK) + 4


def new_secret() -> str:
    body = secrets.token_urlsafe(32)
    return f"{MARK}{body}{_checksum(body)}"


def _checksum(body: str) -> str:
    return base64.urlsafe_b64encode(zlib.crc32(body.encode()).to_bytes(4, "big")).decode().rstrip("=")


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def client_id_of(principal: UUID) -> str:
    """Names the principal, so that the token endpoint can open the narrowest context there is: its own."""
    return f"{CLIENT_MARK}{principal.hex}"


def principal_of(client_id: str) -> UUID | None:
    try:
        return UUID(hex=client_id.removeprefix(CLIENT_MARK))
    except ValueError:
        return None
