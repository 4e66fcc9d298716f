"""What a person asked for and confirms by a link in the mailbox."""

from typing import ClassVar

from django.db import models

from identity.models.people import User
from tenants.isolation.models import TenantKey, TenantModel


class PasswordReset(TenantModel):
    """A forgotten password. The link sets a new one, once; signing in still takes the second factor."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    token_hash = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "token_hash"], name="identity_passwordreset_token"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "user"], name="identity_passwordreset_user"),
        ]

    def __str__(self) -> str:
        return f"password reset of {self.user_id}"


class EmailChange(TenantModel):
    """A new address, confirmed from its mailbox. The old one gets a link that takes it back."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    old_email = models.EmailField(max_length=254)
    new_email = models.EmailField(max_length=254)
    token_hash = models.BinaryField(max_length=32)
    undo_hash = models.BinaryField(max_length=32, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    undo_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "token_hash"], name="identity_emailchange_token"),
            models.UniqueConstraint(fields=["tenant_id", "undo_hash"], name="identity_emailchange_undo"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "user"], name="identity_emailchange_user"),
        ]

    def __str__(self) -> str:
        return f"{self.old_email} to {self.new_email}"
