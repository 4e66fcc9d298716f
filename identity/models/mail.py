"""What is written to people by e-mail."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Mail(TenantModel):
    """One message to one person. Its link is sealed for the worker and erased when the message has gone or failed."""

    class State(models.TextChoices):
        QUEUED = "queued", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Not sent"

    template = models.CharField(max_length=40)
    recipient = models.EmailField(max_length=254)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    context = models.JSONField(default=dict)
    sealed_link = models.BinaryField(max_length=1024, null=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    problem = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(state="queued") | Q(sealed_link=None), name="identity_mail_link_ends_with_sending"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "next_try_at"], condition=Q(state="queued"), name="identity_mail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.recipient}"
