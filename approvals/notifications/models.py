"""What people are told. The log is the outbox: where it was read to, what came of it, and for whom."""

import secrets

from django.db import models
from django.db.models import F, Q

from tenants.isolation.context import acting_tenant
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class Severity(models.TextChoices):
    INFO = "info", "For information"
    WARNING = "warning", "Needs attention"
    CRITICAL = "critical", "Critical"


class NotificationCursor(TenantModel):
    """Up to where the tenant's sealed log was read: `next` is the first leaf of `epoch` that was not."""

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    epoch = models.IntegerField(default=0)
    next = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=F("tenant_id")), name="approvals_one_notificationcursor")]

    def __str__(self) -> str:
        return f"{self.epoch}/{self.next}"


class NotificationEvent(TenantModel):
    """An event that was turned into notifications; its id is the event's, so that none is twice."""

    taken_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.id)


class Notification(TenantModel):
    """What happened, once for all whom it is for. What happens again while it is open is counted.

    `key`: what makes two events one notification. `shared`: one of those whom it is for is enough to see to it.
    `place` and `place_id`: what it leads to; the portal makes the address.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        CLOSED = "closed", "Over"

    kind = models.CharField(max_length=64)
    severity = models.CharField(max_length=16, choices=Severity)
    key = models.CharField(max_length=200)
    shared = models.BooleanField()
    title = models.CharField(max_length=200)
    text = models.CharField(max_length=1000)
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, related_name="+")
    place = models.CharField(max_length=32)
    place_id = models.UUIDField(null=True)
    event_id = models.UUIDField(help_text="The latest.")
    times = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)
    escalated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "key"], condition=Q(state="open"), name="approvals_notification_open"
            ),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None) | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="approvals_notification_ended",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "state", "first_at"], name="approvals_notification_state")]

    def __str__(self) -> str:
        return self.title


class Recipient(TenantModel):
    """For whom a notification is, and what they have done about it."""

    notification = TenantKey(Notification, models.DO_NOTHING, related_name="recipients")
    person_id = models.UUIDField()
    acknowledged_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "notification", "person_id"], name="approvals_recipient_once")
        ]
        indexes = [models.Index(fields=["tenant_id", "person_id", "id"], name="approvals_recipient_person")]

    def __str__(self) -> str:
        return f"{self.notification_id} for {self.person_id}"


class Channel(models.TextChoices):
    EMAIL = "email", "E-mail"
    NTFY = "ntfy", "Phone (ntfy)"
    WEBHOOK = "webhook", "Webhook"


class Delivery(TenantModel):
    """One message over one channel: the row is the queue, and its id is the same at every try.

    `person_id`: None, where it goes to the tenant's own webhook. `round`: 0 at first, 1 when it was passed on.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Being sent"
        SENT = "sent", "Sent"
        SKIPPED = "skipped", "Not needed any more"
        FAILED = "failed", "Not sent"

    notification = TenantKey(Notification, models.DO_NOTHING, related_name="deliveries")
    person_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=16, choices=Channel)
    round = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    problem = models.CharField(max_length=64, blank=True, help_text="A code of ours, never what an outsider said.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "notification", "channel", "person_id", "round"],
                nulls_distinct=False,
                name="approvals_delivery_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "next_try_at"], condition=Q(state="queued"), name="approvals_delivery_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.state}"


def default_severities() -> list[str]:
    return [Severity.WARNING.value, Severity.CRITICAL.value]


def new_topic() -> str:
    """Who knows it can read it, so nobody can guess it."""
    return f"msplex-{secrets.token_urlsafe(18)}"


class NotificationPreferences(TenantModel):
    """How a person wants to be told. Without a row, the defaults hold, and there is no phone."""

    person_id = models.UUIDField()
    email = models.JSONField(default=default_severities)
    ntfy = models.JSONField(default=list)
    ntfy_topic = models.CharField(max_length=64, default=new_topic)
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    timezone = models.CharField(max_length=64, default="UTC")
    critical_breaks_through = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "person_id"], name="approvals_notificationpreferences_once"),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None) | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="approvals_notificationpreferences_quiet",
            ),
        ]

    def __str__(self) -> str:
        return f"of {self.person_id}"


class NotificationChannels(TenantModel):
    """Of the tenant: where messages go, and when what nobody sees to is passed on.

    The webhook's secret is derived (approvals.notifications.signing); `webhook_mark` says which one the receiver has.
    """

    id = models.UUIDField(primary_key=True, default=acting_tenant, editable=False)
    ntfy_server = models.CharField(max_length=200, blank=True)
    ntfy_token_id = models.UUIDField(null=True)
    webhook_url = models.CharField(max_length=500, blank=True)
    webhook_severities = models.JSONField(default=default_severities)
    webhook_generation = models.CharField(max_length=32, blank=True)
    webhook_mark = models.CharField(max_length=16, blank=True)
    escalate_minutes = models.PositiveSmallIntegerField(default=30, help_text="0: never.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=F("tenant_id")), name="approvals_one_notificationchannels")
        ]

    def __str__(self) -> str:
        return "channels"


class NtfyToken(TenantModel):
    """What an ntfy server wants of whoever publishes, sealed for it and the worker (approvals.notifications.tokens).

    The portal may add a row and read none. Which one is in use, the channels say.
    """

    key_id = models.CharField(max_length=64)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key_id
