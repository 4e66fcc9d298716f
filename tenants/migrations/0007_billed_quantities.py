import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0006_assets_of_vendors"),
    ]

    operations = [
        migrations.CreateModel(
            name="BilledQuantity",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("source", models.UUIDField()),
                ("owner", models.CharField(max_length=64)),
                ("product", models.CharField(max_length=100)),
                ("quantity", models.DecimalField(decimal_places=2, max_digits=12, null=True)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("read_at", models.DateTimeField()),
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
                    models.UniqueConstraint(fields=("tenant_id", "source", "customer"), name="tenants_billed_customer")
                ],
            },
        ),
        tenant_table(
            "tenants_billedquantity",
            customer="customer_id",
            grants={
                "app": "SELECT",
                "worker": "SELECT",
                "broker": "SELECT, INSERT, UPDATE (owner, product, quantity, code, read_at), DELETE",
            },
        ),
        tenant_fk("tenants_billedquantity", "customer_id", "tenants_customer"),
    ]
