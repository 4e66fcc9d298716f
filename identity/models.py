"""Who: principals, and what lets them in. A principal belongs to the MSP, or to one of its customers."""

from typing import ClassVar

from django.contrib.auth import get_backends
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as AuthPermission
from django.db import models
from django.db.models import Q
from django_otp.models import Device, DeviceManager
from guardian.managers import UserObjectPermissionManager
from guardian.models import UserObjectPermissionBase

from identity.principals import PrincipalKind
from identity.roles import ROLES, Role
from tenants.isolation.context import acting_tenant_or_none
from tenants.isolation.models import TenantKey, TenantManager, TenantModel
from tenants.models import Customer

ROLE_CHOICES = [(role.value, definition.label) for role, definition in ROLES.items()]
CUSTOMER_ROLES = [role.value for role, definition in ROLES.items() if definition.customer_scoped]
TENANT_WIDE_ROLES = [role.value for role, definition in ROLES.items() if definition.tenant_wide_only]


class Principal(TenantModel):
    """`epoch` moves when what was issued to the principal must stop working: sessions and tokens carry the old one."""

    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in PrincipalKind])
    label = models.CharField(max_length=200)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    epoch = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in PrincipalKind]),
                name="identity_principal_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None


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


class ServiceAccount(TenantModel):
    """Automation. Its secret is kept as a digest: 256 random bits need no slow hash."""

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="service_accounts")
    name = models.CharField(max_length=200)
    purpose = models.CharField(max_length=500, blank=True)
    owner = TenantKey(User, models.DO_NOTHING, related_name="+")
    client_id = models.CharField(max_length=64)
    secret_hash = models.BinaryField(max_length=32)
    secret_prefix = models.CharField(max_length=16)
    token_seconds = models.PositiveSmallIntegerField(default=900)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "name"], name="identity_serviceaccount_name"),
            models.UniqueConstraint(fields=["tenant_id", "client_id"], name="identity_serviceaccount_client"),
            models.CheckConstraint(
                condition=Q(principal=models.F("id")), name="identity_serviceaccount_is_its_principal"
            ),
            models.CheckConstraint(
                condition=Q(token_seconds__gte=60, token_seconds__lte=3600), name="identity_serviceaccount_token_life"
            ),
        ]

    def __str__(self) -> str:
        return self.name


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


class TotpDeviceManager(TenantManager["TotpDevice"], DeviceManager):  # type: ignore[misc]
    pass


class TotpDevice(TenantModel, Device):  # type: ignore[misc]
    """An authenticator app. `last_step` is the last time step whose code was accepted: none is accepted twice."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    sealed_seed = models.BinaryField(max_length=128)
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


class Session(TenantModel):
    """A browser that signed in with both factors. The cookie has the key; here is only its digest."""

    principal = TenantKey(Principal, models.DO_NOTHING, related_name="+")
    key_hash = models.BinaryField(max_length=32)
    epoch = models.PositiveBigIntegerField()
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    mfa_at = models.DateTimeField()
    mfa_method = models.CharField(max_length=20)
    ended_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "key_hash"], name="identity_session_key"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "principal", "-id"], name="identity_session_principal"),
        ]

    def __str__(self) -> str:
        return f"session of {self.principal_id}"


class Attempts(TenantModel):
    """How often something secret was tried. `subject` is a digest of what it was tried on and from where."""

    subject = models.BinaryField(max_length=32)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "subject"], name="identity_attempts_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.count} attempts"


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
