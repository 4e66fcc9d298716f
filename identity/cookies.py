"""What the browser keeps: signed values that name tenant and principal, so that the narrowest context can be opened."""

import base64
import dataclasses
import hashlib
import secrets
from typing import Self
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpResponseBase

SESSION_SALT = "identity.session"
PENDING_SALT = "identity.pending"
PENDING_SECONDS = 10 * 60
DEVICE_SALT = "identity.device"
DEVICE_SECONDS = 180 * 24 * 60 * 60
DEVICE_KEY_BYTES = 16
KEY_BYTES = 32


def pending_cookie_name() -> str:
    return "__Host-sign-in" if settings.SESSION_COOKIE_SECURE else "msplex_sign_in"


def device_cookie_name() -> str:
    return "__Host-device" if settings.SESSION_COOKIE_SECURE else "msplex_device"


@dataclasses.dataclass(frozen=True, slots=True)
class SessionCookie:
    tenant_id: UUID
    principal_id: UUID
    key: bytes

    @classmethod
    def new(cls, tenant_id: UUID, principal_id: UUID) -> Self:
        return cls(tenant_id, principal_id, secrets.token_bytes(KEY_BYTES))

    def key_hash(self) -> bytes:
        return hashlib.sha256(self.key).digest()

    def sealed(self) -> str:
        payload = base64.urlsafe_b64encode(self.tenant_id.bytes + self.principal_id.bytes + self.key).decode()
        return signing.Signer(salt=SESSION_SALT).sign(payload)

    @classmethod
    def read(cls, sealed: str) -> Self | None:
        try:
            raw = base64.urlsafe_b64decode(signing.Signer(salt=SESSION_SALT).unsign(sealed))
        except (signing.BadSignature, ValueError):
            return None
        if len(raw) != 32 + KEY_BYTES:
            return None
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])


@dataclasses.dataclass(frozen=True, slots=True)
class PendingSignIn:
    """The password was right; the second factor is still to come. It opens nothing by itself, and lives ten minutes."""

    tenant_id: UUID
    user_id: UUID
    epoch: int
    workspace: str
    enrolled: bool
    id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))

    def sealed(self) -> str:
        value = [self.tenant_id.hex, self.user_id.hex, self.epoch, self.workspace, self.enrolled, self.id]
        return signing.dumps(value, salt=PENDING_SALT)

    @classmethod
    def read(cls, sealed: str) -> Self | None:
        try:
            value = signing.loads(sealed, salt=PENDING_SALT, max_age=PENDING_SECONDS)
        except signing.BadSignature:
            return None
        tenant, user, epoch, workspace, enrolled, identifier = value
        return cls(UUID(tenant), UUID(user), epoch, workspace, enrolled, identifier)


@dataclasses.dataclass(frozen=True, slots=True)
class KnownDevice:
    """A browser in which this person has signed in with both factors. It opens nothing: its tries are counted apart."""

    tenant_id: UUID
    user_id: UUID
    key: str

    @classmethod
    def new(cls, tenant_id: UUID, user_id: UUID) -> Self:
        return cls(tenant_id, user_id, secrets.token_hex(DEVICE_KEY_BYTES))

    def sealed(self) -> str:
        return signing.dumps([self.tenant_id.hex, self.user_id.hex, self.key], salt=DEVICE_SALT)

    @classmethod
    def read(cls, sealed: str) -> Self | None:
        try:
            tenant, user, key = signing.loads(sealed, salt=DEVICE_SALT, max_age=DEVICE_SECONDS)
        except signing.BadSignature:
            return None
        return cls(UUID(tenant), UUID(user), key)

    def is_of(self, tenant_id: UUID, user_id: UUID) -> bool:
        return (self.tenant_id, self.user_id) == (tenant_id, user_id)


def _set(response: HttpResponseBase, name: str, value: str, *, max_age: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path="/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def set_session_cookie(response: HttpResponseBase, value: str) -> None:
    _set(response, settings.SESSION_COOKIE_NAME, value, max_age=settings.SESSION_ABSOLUTE_SECONDS)


def clear_session_cookie(response: HttpResponseBase) -> None:
    _set(response, settings.SESSION_COOKIE_NAME, "", max_age=0)


def set_pending_cookie(response: HttpResponseBase, pending: PendingSignIn) -> None:
    _set(response, pending_cookie_name(), pending.sealed(), max_age=PENDING_SECONDS)


def clear_pending_cookie(response: HttpResponseBase) -> None:
    _set(response, pending_cookie_name(), "", max_age=0)


def remember_device(response: HttpResponseBase, pending: PendingSignIn, sealed: str) -> None:
    """After both factors. A browser that is known keeps its key, and so the count of its tries."""
    device = KnownDevice.read(sealed)
    if device is None or not device.is_of(pending.tenant_id, pending.user_id):
        device = KnownDevice.new(pending.tenant_id, pending.user_id)
    _set(response, device_cookie_name(), device.sealed(), max_age=DEVICE_SECONDS)
