import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import (
    OPEN,
    partitioned_table,
    tenant_fk,
    tenant_table,
)


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="QuotaCounter",
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
                ("month", models.DateField()),
                ("used", models.PositiveIntegerField(default=0)),
                ("warned", models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "connector", "month"),
                        name="billing_quotacounter_month",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageEvent",
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
                ("occurred_at", models.DateTimeField()),
                ("connector", models.CharField(max_length=64)),
                ("tool", models.CharField(max_length=128)),
                ("principal_id", models.UUIDField()),
                ("quantity", models.PositiveIntegerField(default=1)),
                ("vendor_requests", models.PositiveIntegerField(default=0)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenants.customer",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        # Reserved by whoever makes a call, customers' principals included: the count is the tenant's.
        tenant_table(
            "billing_quotacounter",
            customer=OPEN,
            grants={"app": "SELECT, INSERT, UPDATE", "worker": "SELECT, UPDATE", "broker": "SELECT, UPDATE"},
        ),
        partitioned_table("billing_usageevent"),
        tenant_table(
            "billing_usageevent",
            customer="customer_id",
            grants={"app": "SELECT", "worker": "SELECT", "broker": "SELECT, INSERT"},
        ),
        tenant_fk("billing_usageevent", "customer_id", "tenants_customer"),
    ]
