import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

# Reserved by whoever makes a call, and given back by the broker.
_COUNTED = {"app": "SELECT, INSERT, UPDATE", "worker": "SELECT, UPDATE", "broker": "SELECT, UPDATE"}


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_terms_and_rollups"),
        ("tenants", "0005_customer_limits"),
    ]

    operations = [
        migrations.AddField(
            model_name="usageevent",
            name="ai_calls",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="usageevent",
            name="egress_bytes",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="CustomerCounter",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("month", models.DateField()),
                ("used", models.PositiveIntegerField(default=0)),
                ("warned", models.PositiveSmallIntegerField(default=0)),
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
                        fields=("tenant_id", "customer", "month"), name="billing_customercounter_month"
                    )
                ],
            },
        ),
        tenant_table("billing_customercounter", customer="customer_id", grants=_COUNTED),
        tenant_fk("billing_customercounter", "customer_id", "tenants_customer"),
    ]
