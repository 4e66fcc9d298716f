import django.db.models.deletion
from django.db import migrations, models

import approvals.notifications.models
import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import own, tenant_fk, tenant_table

SET = {"app": "SELECT, INSERT, UPDATE", "worker": "SELECT"}


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0004_held_grants"),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationChannels",
            fields=[
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "id",
                    models.UUIDField(
                        default=tenants.isolation.context.acting_tenant,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("ntfy_server", models.CharField(blank=True, max_length=200)),
                ("ntfy_token_id", models.UUIDField(null=True)),
                ("webhook_url", models.CharField(blank=True, max_length=500)),
                ("webhook_severities", models.JSONField(default=approvals.notifications.models.default_severities)),
                ("webhook_generation", models.CharField(blank=True, max_length=32)),
                ("webhook_mark", models.CharField(blank=True, max_length=16)),
                ("escalate_minutes", models.PositiveSmallIntegerField(default=30, help_text="0: never.")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", models.F("tenant_id"))), name="approvals_one_notificationchannels"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="NtfyToken",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("key_id", models.CharField(max_length=64)),
                ("sealed", models.BinaryField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="NotificationPreferences",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("person_id", models.UUIDField()),
                ("email", models.JSONField(default=approvals.notifications.models.default_severities)),
                ("ntfy", models.JSONField(default=list)),
                ("ntfy_topic", models.CharField(default=approvals.notifications.models.new_topic, max_length=64)),
                ("quiet_from", models.TimeField(null=True)),
                ("quiet_until", models.TimeField(null=True)),
                ("timezone", models.CharField(default="UTC", max_length=64)),
                ("critical_breaks_through", models.BooleanField(default=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "person_id"), name="approvals_notificationpreferences_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("quiet_from", None), ("quiet_until", None)),
                            models.Q(("quiet_from__isnull", False), ("quiet_until__isnull", False)),
                            _connector="OR",
                        ),
                        name="approvals_notificationpreferences_quiet",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("person_id", models.UUIDField(null=True)),
                (
                    "channel",
                    models.CharField(
                        choices=[("email", "E-mail"), ("ntfy", "Phone (ntfy)"), ("webhook", "Webhook")], max_length=16
                    ),
                ),
                ("round", models.PositiveSmallIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Being sent"),
                            ("sent", "Sent"),
                            ("skipped", "Not needed any more"),
                            ("failed", "Not sent"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                (
                    "problem",
                    models.CharField(
                        blank=True, help_text="A code of ours, never what an outsider said.", max_length=64
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "notification",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="deliveries",
                        to="approvals.notification",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "queued")),
                        fields=["tenant_id", "next_try_at"],
                        name="approvals_delivery_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "notification", "channel", "person_id", "round"),
                        name="approvals_delivery_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        tenant_table("approvals_notificationchannels", grants=SET),
        tenant_table("approvals_notificationpreferences", customer=own("person_id"), grants=SET),
        tenant_fk("approvals_notificationpreferences", "person_id", "identity_principal"),
        tenant_table("approvals_ntfytoken", grants={"app": "INSERT", "worker": "SELECT, DELETE"}),
        tenant_table("approvals_delivery", grants={"app": "SELECT", "worker": "SELECT, INSERT, UPDATE, DELETE"}),
        tenant_fk("approvals_delivery", "notification_id", "approvals_notification", on_delete="CASCADE"),
        tenant_fk("approvals_delivery", "person_id", "identity_principal"),
    ]
