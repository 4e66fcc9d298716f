"""What a principal may do: its roles."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from identity.models.principals import Principal
from identity.roles import ROLES, Role
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer

ROLE_CHOICES = [(role.value, definition.label) for role, definition in ROLES.items()]
CUSTOMER_ROLES = [role.value for role, definition in ROLES.items() if definition.customer_scoped]
TENANT_WIDE_ROLES = [role.value for role, definition in ROLES.items() if definition.tenant_wide_only]


class RoleBinding(TenantModel):
    """A role of a principal, for the whole tenant or for one customer."""

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="bindings")
    role = models.CharField(max_length=32, choices=ROLE_CHOICES)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant_id", "principal", "role", "customer"],
                name="identity_rolebinding_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="identity_rolebinding_role"
            ),
            models.CheckConstraint(
                condition=~Q(role__in=CUSTOMER_ROLES) | Q(customer__isnull=False),
                name="identity_rolebinding_customer_role",
            ),
            models.CheckConstraint(
                condition=~Q(role__in=TENANT_WIDE_ROLES) | Q(customer__isnull=True),
                name="identity_rolebinding_tenant_role",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "customer"], name="identity_binding_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.principal_id}"

    @property
    def label(self) -> str:
        return ROLES[Role(self.role)].label
