import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import log, partitioned_table, tenant_fk, tenant_table


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
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
                ("kind", models.CharField(max_length=64)),
                ("result", models.CharField(max_length=16)),
                ("actor_kind", models.CharField(max_length=16)),
                ("actor_id", models.UUIDField(null=True)),
                ("subject_kind", models.CharField(blank=True, max_length=32)),
                ("subject_id", models.UUIDField(null=True)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("call_id", models.UUIDField(null=True)),
                ("instance_id", models.UUIDField(null=True)),
                ("tool", models.CharField(blank=True, max_length=128)),
                ("header", models.BinaryField()),
                ("body", models.BinaryField(null=True)),
                ("writer", models.CharField(max_length=16)),
                ("boot", models.UUIDField()),
                ("n", models.BigIntegerField()),
                ("mac", models.BinaryField()),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenants.customer",
                    ),
                ),
            ],
        ),
        partitioned_table("audit_event"),
        tenant_table(
            "audit_event",
            customer=log("customer_id", beside="kind"),
            grants={
                "app": "SELECT, INSERT",
                "worker": "SELECT, INSERT",
                "broker": "INSERT",
            },
        ),
        tenant_fk("audit_event", "customer_id", "tenants_customer"),
        *(
            migrations.AddIndex(
                model_name="event",
                index=models.Index(fields=["tenant_id", column, "id"], name=f"audit_event_{name}"),
            )
            for name, column in (
                ("kind", "kind"),
                ("subject", "subject_id"),
                ("actor", "actor_id"),
                ("result", "result"),
                ("request", "request_id"),
                ("tool", "tool"),
            )
        ),
        *(
            migrations.AddIndex(
                model_name="event",
                index=models.Index(
                    fields=["tenant_id", f"{name}_id", "id"],
                    name=f"audit_event_{name}",
                    condition=models.Q((f"{name}_id__isnull", False)),
                ),
            )
            for name in ("call", "instance")
        ),
    ]
