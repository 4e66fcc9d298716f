"""Second factors of a person."""

from typing import ClassVar

from django.db import models
from django_otp.models import Device, DeviceManager

from identity.models.people import User
from tenants.isolation.models import TenantKey, TenantManager, TenantModel


class TotpDeviceManager(TenantManager["TotpDevice"], DeviceManager):  # type: ignore[misc]
    pass


class TotpDevice(TenantModel, Device):  # type: ignore[misc]
    """An authenticator app. `last_step` is the last time step whose code was accepted: none is accepted twice.

    `next_seed` is that of the app which is to take its place, until the first code of that one.
    """

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    sealed_seed = models.BinaryField(max_length=128)
    next_seed = models.BinaryField(max_length=128, null=True)
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TotpDeviceManager] = TotpDeviceManager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "user"], name="identity_totpdevice_one"),
        ]

    def verify_token(self, token: str) -> bool:
        from identity.factors import accept_totp  # noqa: PLC0415 -- django-otp's entry to the same single check

        return accept_totp(self, token)


class RecoveryCode(TenantModel):
    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    code_hash = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "user", "code_hash"], name="identity_recoverycode_once"),
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"
