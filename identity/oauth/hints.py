"""Codes and refresh tokens: a random key, and a signed hint at the tenant and person whose context holds its digest."""

import base64
import dataclasses
import hashlib
import secrets
from typing import Self
from uuid import UUID

from django.core import signing

CODE = "identity.oauth.code"
REFRESH = "identity.oauth.refresh"
KEY_BYTES = 32
LONGEST = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Hinted:
    """The hint opens the narrowest context there is, the person's own, and nothing else; the key is looked up there."""

    tenant_id: UUID
    user_id: UUID
    key: bytes

    @classmethod
    def new(cls, tenant_id: UUID, user_id: UUID) -> Self:
        return cls(tenant_id, user_id, secrets.token_bytes(KEY_BYTES))

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.key).hexdigest()

    def sealed(self, use: str) -> str:
        payload = base64.urlsafe_b64encode(self.tenant_id.bytes + self.user_id.bytes + self.key).decode()
        return signing.Signer(salt=use).sign(payload)

    @classmethod
    def read(cls, sealed: str, use: str) -> Self | None:
        """None unless we made it, for this use."""
        if len(sealed) > LONGEST:
            return None
        try:
            raw = base64.urlsafe_b64decode(signing.Signer(salt=use).unsign(sealed))
        except (signing.BadSignature, ValueError):
            return None
        if len(raw) != 32 + KEY_BYTES:
            return None
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])
