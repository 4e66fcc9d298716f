import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0009_exposing"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("principal_id", models.UUIDField()),
                ("digest", models.CharField(max_length=64)),
                ("arguments_digest", models.CharField(max_length=64)),
                ("call_id", models.UUIDField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("result", models.BinaryField(null=True)),
                ("kept_at", models.DateTimeField(null=True)),
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
                        fields=("tenant_id", "principal_id", "customer", "digest"),
                        name="connectors_idempotency_once",
                    )
                ],
            },
        ),
        tenant_table(
            "connectors_idempotencykey",
            customer="customer_id",
            grants={
                "app": "SELECT, INSERT, UPDATE (arguments_digest, call_id, created_at, result, kept_at)",
                "worker": "SELECT, DELETE, UPDATE (result)",
            },
        ),
        tenant_fk("connectors_idempotencykey", "customer_id", "tenants_customer"),
    ]
