"""Passkeys (WebAuthn): the public half of a key that a person's device keeps."""

from typing import Any, ClassVar, Self

from django.db import models
from django_otp.models import DeviceManager
from django_otp_webauthn.models import AbstractWebAuthnCredential, WebAuthnCredentialQuerySet

from identity.models.people import User
from tenants.isolation.models import TenantKey, TenantManager, TenantModel

_OfRows = DeviceManager.from_queryset(WebAuthnCredentialQuerySet)


class PasskeyManager(TenantManager["Passkey"], _OfRows):  # type: ignore[misc, valid-type]
    pass


class Passkey(TenantModel, AbstractWebAuthnCredential):  # type: ignore[misc]
    """`sign_count` is the device's own counter: one that does not grow is a copy's, and refused."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    # The package's field is unique over all tenants, which would tell one of another.
    credential_id_sha256 = models.CharField(max_length=64, editable=False)

    objects: ClassVar[PasskeyManager] = PasskeyManager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "credential_id_sha256"], name="identity_passkey_credential"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "user"], name="identity_passkey_user"),
        ]

    @classmethod
    def get_by_credential_id(cls, credential_id: bytes) -> Self:
        """Locked, so that of two answers with the same counter one is seen after the other."""
        rows: Any = cls.objects.select_for_update()
        found: Self = rows.get(credential_id_sha256=cls.get_credential_id_sha256(credential_id))
        return found

    @property
    def is_synced(self) -> bool:
        """Kept by the maker's cloud, and so on more than one device."""
        return bool(self.backup_state)


class SpentChallenge(TenantModel):
    """A challenge that was answered. None is taken twice, whatever became of the answer."""

    digest = models.BinaryField(max_length=32)
    spent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "digest"], name="identity_spentchallenge_once"),
        ]

    def __str__(self) -> str:
        return f"challenge spent at {self.spent_at}"
