import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import own, tenant_fk, tenant_table

# The worker makes them; people say what they have seen.
MADE = "SELECT, INSERT, UPDATE, DELETE"


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0002_requests"),
        ("tenants", "0004_unapplied"),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationEvent",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("taken_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("kind", models.CharField(max_length=64)),
                (
                    "severity",
                    models.CharField(
                        choices=[("info", "For information"), ("warning", "Needs attention"), ("critical", "Critical")],
                        max_length=16,
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("shared", models.BooleanField()),
                ("title", models.CharField(max_length=200)),
                ("text", models.CharField(max_length=1000)),
                ("place", models.CharField(max_length=32)),
                ("place_id", models.UUIDField(null=True)),
                ("event_id", models.UUIDField(help_text="The latest.")),
                ("times", models.PositiveIntegerField(default=1)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("acknowledged", "Acknowledged"), ("closed", "Over")],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=200)),
                ("escalated_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.customer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="NotificationCursor",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.isolation.context.acting_tenant,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("epoch", models.IntegerField(default=0)),
                ("next", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", models.F("tenant_id"))), name="approvals_one_notificationcursor"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Recipient",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("person_id", models.UUIDField()),
                ("acknowledged_at", models.DateTimeField(null=True)),
                ("snoozed_until", models.DateTimeField(null=True)),
                (
                    "notification",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="recipients",
                        to="approvals.notification",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["tenant_id", "state", "first_at"], name="approvals_notification_state"),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("tenant_id", "key"), name="approvals_notification_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("state", "open")),
                    models.Q(models.Q(("state", "open"), _negated=True), ("ended_at__isnull", False)),
                    _connector="OR",
                ),
                name="approvals_notification_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(fields=["tenant_id", "person_id", "id"], name="approvals_recipient_person"),
        ),
        migrations.AddConstraint(
            model_name="recipient",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "notification", "person_id"), name="approvals_recipient_once"
            ),
        ),
        tenant_table("approvals_notificationcursor", grants={"worker": MADE}),
        tenant_table("approvals_notificationevent", grants={"worker": "SELECT, INSERT, DELETE"}),
        tenant_table(
            "approvals_notification",
            customer="customer_id",
            grants={"app": "SELECT, UPDATE (state, ended_at, ended_by)", "worker": MADE},
        ),
        tenant_fk("approvals_notification", "customer_id", "tenants_customer"),
        tenant_table(
            "approvals_recipient",
            customer=own("person_id"),
            grants={"app": "SELECT, UPDATE (acknowledged_at, snoozed_until)", "worker": MADE},
        ),
        tenant_fk("approvals_recipient", "notification_id", "approvals_notification", on_delete="CASCADE"),
        tenant_fk("approvals_recipient", "person_id", "identity_principal"),
    ]
