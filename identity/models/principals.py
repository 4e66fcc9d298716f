"""Whoever acts. A principal belongs to the MSP, or to one of its customers."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from identity.principals import ACCOUNT_KINDS
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Principal(TenantModel):
    """`epoch` moves when what was issued to the principal must stop working: sessions and tokens carry the old one."""

    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in ACCOUNT_KINDS])
    label = models.CharField(max_length=200)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    epoch = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    # Ranges, apart by spaces, that automation may come from; empty: any. Here, because every request reads this row.
    networks = models.CharField(max_length=800, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in ACCOUNT_KINDS]),
                name="identity_principal_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None
