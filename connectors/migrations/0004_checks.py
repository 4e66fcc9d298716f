import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import SHARED, tenant_fk, tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0003_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="HealthCheck",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("milliseconds", models.PositiveIntegerField()),
                ("code", models.CharField(blank=True, max_length=64)),
                (
                    "instance",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="checks",
                        to="connectors.connectorinstance",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "instance", "created_at"], name="connectors_check_instance")
                ],
            },
        ),
        tenant_table(
            "connectors_healthcheck",
            customer=SHARED,
            grants={"app": "SELECT, INSERT", "broker": "SELECT, INSERT, DELETE"},
        ),
        tenant_fk("connectors_healthcheck", "instance_id", "connectors_connectorinstance"),
    ]
