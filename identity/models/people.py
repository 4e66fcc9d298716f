"""People, and the object permissions that django-guardian reads of them."""

from typing import ClassVar

from django.contrib.auth import get_backends
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as AuthPermission
from django.db import models
from django.db.models import Q
from guardian.managers import UserObjectPermissionManager
from guardian.models import UserObjectPermissionBase

from identity.models.principals import Principal
from tenants.isolation.context import acting_tenant_or_none
from tenants.isolation.models import TenantKey, TenantManager, TenantModel
from tenants.models import Customer


class UserManager(TenantManager["User"], BaseUserManager["User"]):
    pass


class User(TenantModel, AbstractBaseUser):
    """A person. `id` is the principal's; permissions come from bindings only, there is no superuser."""

    tenant_id = models.UUIDField(default=acting_tenant_or_none, editable=False)
    principal = TenantKey(Principal, models.DO_NOTHING, related_name="users")
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=200)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    is_superuser = False
    is_staff = False

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "email"], name="identity_user_email"),
            models.CheckConstraint(condition=Q(principal=models.F("id")), name="identity_user_is_its_principal"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_active(self) -> bool:  # type: ignore[override] # a plain attribute of AbstractBaseUser
        return not self.principal.is_disabled

    @property
    def groups(self) -> models.QuerySet[Group]:
        """There are none; django-guardian asks."""
        return Group.objects.none()

    def has_perm(self, permission: str, obj: models.Model | None = None) -> bool:
        return self.is_active and any(backend.has_perm(self, permission, obj) for backend in get_backends())

    def has_perms(self, permissions: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(permission, obj) for permission in permissions)


class CustomerPermissionManager(TenantManager["CustomerPermission"], UserObjectPermissionManager):
    pass


class CustomerPermission(TenantModel, UserObjectPermissionBase):
    """What django-guardian reads. Projected from bindings (identity.services.projection), never edited."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    content_object = TenantKey(Customer, models.DO_NOTHING, db_column="customer_id")
    # The catalogue of permissions is the deployment's. No index: it would not start with the tenant.
    permission = models.ForeignKey(AuthPermission, models.DO_NOTHING, db_index=False, db_constraint=False)

    objects: ClassVar[CustomerPermissionManager] = CustomerPermissionManager()

    class Meta:
        unique_together: ClassVar[list[str]] = []
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant_id", "user", "content_object", "permission"], name="identity_customerpermission_once"
            ),
        ]
