"""How strict a tenant is about signing in. One row; without it, what the fields say by default."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from tenants.isolation.context import acting_tenant
from tenants.isolation.models import TenantModel

SHORTEST_IDLE, LONGEST_IDLE = 5, 60
SHORTEST_SESSION, LONGEST_SESSION = 60, 12 * 60


class SecurityPolicy(TenantModel):
    """Minutes. The longest are also the defaults: a tenant can only be stricter."""

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    idle_minutes = models.PositiveSmallIntegerField(default=LONGEST_IDLE)
    session_minutes = models.PositiveSmallIntegerField(default=LONGEST_SESSION)
    passkey_sign_in = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(id=F("tenant_id")), name="identity_one_securitypolicy"),
            models.CheckConstraint(
                condition=Q(idle_minutes__gte=SHORTEST_IDLE, idle_minutes__lte=LONGEST_IDLE),
                name="identity_securitypolicy_idle",
            ),
            models.CheckConstraint(
                condition=Q(session_minutes__gte=SHORTEST_SESSION, session_minutes__lte=LONGEST_SESSION),
                name="identity_securitypolicy_session",
            ),
        ]

    def __str__(self) -> str:
        return f"idle {self.idle_minutes}, session {self.session_minutes}, passkeys {self.passkey_sign_in}"

    @property
    def idle(self) -> timedelta:
        return timedelta(minutes=self.idle_minutes)

    @property
    def session(self) -> timedelta:
        return timedelta(minutes=self.session_minutes)

    def values(self) -> dict[str, int | bool]:
        """As it is recorded."""
        return {
            "idle_minutes": self.idle_minutes,
            "session_minutes": self.session_minutes,
            "passkey_sign_in": self.passkey_sign_in,
        }
