import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0013_client_sources"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("call_id", models.UUIDField()),
                ("principal_id", models.UUIDField()),
                ("sealed", models.BinaryField()),
                ("kept_at", models.DateTimeField()),
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
                "indexes": [models.Index(fields=["tenant_id", "kept_at"], name="connectors_kept_age")],
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "call_id"), name="connectors_kept_once")],
            },
        ),
        tenant_table(
            "connectors_keptanswer",
            customer="customer_id",
            grants={"app": "SELECT", "worker": "SELECT, DELETE", "broker": "INSERT"},
        ),
        tenant_fk("connectors_keptanswer", "customer_id", "tenants_customer"),
    ]
