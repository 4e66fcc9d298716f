import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import (
    READ_ONLY,
    SHARED,
    tenant_fk,
    tenant_table,
    versioned_table,
)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_border")]

    operations = [
        migrations.CreateModel(
            name="Revision",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=tenants.isolation.context.acting_tenant,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.BigIntegerField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "tenant_id",
                    models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "key",
                    models.CharField(
                        help_text="Short name used by agents, such as acme-dental.",
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
                                "Use lower-case letters, digits and hyphens, such as acme-dental.",
                            )
                        ],
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("archived", "Archived")],
                        default="active",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "key"), name="tenants_customer_key")],
            },
        ),
        migrations.CreateModel(
            name="Entitlement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "tenant_id",
                    models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False),
                ),
                ("connector", models.CharField(max_length=64)),
                (
                    "included_calls",
                    models.PositiveIntegerField(help_text="Calls in a calendar month."),
                ),
                (
                    "overage_allowed",
                    models.BooleanField(
                        default=False,
                        help_text="Calls beyond the included ones are counted, not refused.",
                    ),
                ),
                ("calls_per_minute", models.PositiveIntegerField(default=600)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "connector"),
                        name="tenants_entitlement_connector",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=tenants.isolation.context.acting_tenant,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("plan", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("trialing", "Trial"),
                            ("active", "Active"),
                            ("past_due", "Past due"),
                            ("suspended", "Suspended"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="active",
                        max_length=16,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", models.F("tenant_id"))),
                        name="tenants_one_subscription",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Tenant",
            fields=[
                (
                    "tenant_id",
                    models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=tenants.isolation.context.acting_tenant,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "workspace",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
                                "Use lower-case letters, digits and hyphens, such as acme-dental.",
                            )
                        ],
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("suspended", "Suspended")],
                        default="active",
                        max_length=16,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", models.F("tenant_id"))),
                        name="tenants_tenant_is_itself",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Asset",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("kind", models.CharField(default="host", max_length=32)),
                ("name", models.CharField(max_length=200)),
                ("external_ref", models.CharField(blank=True, max_length=200)),
                ("active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("external_ref", ""), _negated=True),
                        fields=("tenant_id", "customer", "kind", "external_ref"),
                        name="tenants_asset_external",
                    )
                ],
            },
        ),
        tenant_table(
            "tenants_revision",
            customer=READ_ONLY,
            grants={"app": "SELECT", "worker": "SELECT", "broker": "SELECT"},
        ),
        tenant_table(
            "tenants_tenant",
            customer=SHARED,
            grants={
                "app": "SELECT, INSERT, UPDATE",
                "worker": "SELECT",
                "broker": "SELECT",
            },
        ),
        tenant_table(
            "tenants_customer",
            customer="id",
            grants={
                "app": "SELECT, INSERT, UPDATE",
                "worker": "SELECT",
                "broker": "SELECT",
            },
        ),
        tenant_table(
            "tenants_subscription",
            customer=SHARED,
            grants={"app": "SELECT, INSERT, UPDATE", "worker": "SELECT, UPDATE", "broker": "SELECT"},
        ),
        tenant_table(
            "tenants_entitlement",
            customer=SHARED,
            grants={
                "app": "SELECT, INSERT, UPDATE",
                "worker": "SELECT, UPDATE",
                "broker": "SELECT",
            },
        ),
        tenant_table(
            "tenants_asset",
            customer="customer_id",
            grants={
                "app": "SELECT, INSERT, UPDATE",
                "worker": "SELECT, INSERT, UPDATE",
                "broker": "SELECT",
            },
        ),
        tenant_fk("tenants_asset", "customer_id", "tenants_customer"),
        migrations.RunSQL(
            "CREATE TRIGGER opened AFTER INSERT ON tenants_tenant FOR EACH ROW EXECUTE FUNCTION border.open_tenant()",
            "DROP TRIGGER opened ON tenants_tenant",
        ),
        versioned_table("tenants_tenant"),
        versioned_table("tenants_customer"),
        versioned_table("tenants_subscription"),
        versioned_table("tenants_entitlement"),
    ]
