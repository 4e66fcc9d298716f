"""People who have been asked in and have not come yet."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from identity.models.bindings import CUSTOMER_ROLES, ROLE_CHOICES, TENANT_WIDE_ROLES
from identity.models.mail import Mail
from identity.models.people import User
from identity.models.principals import Principal
from identity.roles import ROLES, Role
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Invitation(TenantModel):
    """Bound to address, role and customer, good once and until it expires. The token is in the mail; here its digest.

    `inviter` answers for it: what they may not give any more, the invitation does not give. None: the deployment.
    """

    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=32, choices=ROLE_CHOICES)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    token_hash = models.BinaryField(max_length=32)
    inviter = TenantKey(Principal, models.DO_NOTHING, null=True, blank=True, related_name="+")
    inviter_label = models.CharField(max_length=200)
    mail = TenantKey(Mail, models.DO_NOTHING, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    member = TenantKey(User, models.DO_NOTHING, null=True, blank=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "token_hash"], name="identity_invitation_token"),
            models.UniqueConstraint(
                fields=["tenant_id", "email"],
                condition=Q(accepted_at=None, withdrawn_at=None),
                name="identity_invitation_one_open",
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="identity_invitation_role"
            ),
            models.CheckConstraint(
                condition=~Q(role__in=CUSTOMER_ROLES) | Q(customer__isnull=False),
                name="identity_invitation_customer_role",
            ),
            models.CheckConstraint(
                condition=~Q(role__in=TENANT_WIDE_ROLES) | Q(customer__isnull=True),
                name="identity_invitation_tenant_role",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(withdrawn_at=None), name="identity_invitation_ended_once"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None, member=None) | Q(accepted_at__isnull=False, member__isnull=False),
                name="identity_invitation_accepted_by_member",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"

    @property
    def label(self) -> str:
        return ROLES[Role(self.role)].label

    @property
    def is_open(self) -> bool:
        return self.state == "pending"

    @property
    def state(self) -> str:
        if self.accepted_at is not None:
            return "accepted"
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "expired" if self.expires_at <= timezone.now() else "pending"
