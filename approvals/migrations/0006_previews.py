import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

# What the broker writes once it has read. Nobody else may write any of it.
READ = "state, objects_seen, digest, why, calls, read_at"


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0005_deliveries"),
    ]

    operations = [
        migrations.AddField(
            model_name="approvalrequest",
            name="preview",
            field=models.JSONField(default=dict),
        ),
        migrations.CreateModel(
            name="Preview",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("reading", "Being read"), ("read", "Read"), ("none", "There is none")],
                        default="reading",
                        max_length=16,
                    ),
                ),
                ("objects_seen", models.JSONField(default=list)),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("why", models.CharField(blank=True, max_length=300)),
                ("calls", models.JSONField(default=list)),
                ("begun_at", models.DateTimeField(auto_now_add=True)),
                ("read_at", models.DateTimeField(null=True)),
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
                (
                    "request",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="previews",
                        to="approvals.approvalrequest",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="preview",
            constraint=models.UniqueConstraint(fields=("tenant_id", "request"), name="approvals_preview_once"),
        ),
        migrations.AddConstraint(
            model_name="preview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "read"), _negated=True),
                    models.Q(("read_at__isnull", False), models.Q(("digest", ""), _negated=True)),
                    _connector="OR",
                ),
                name="approvals_preview_whole",
            ),
        ),
        tenant_table(
            "approvals_preview",
            customer="customer_id",
            grants={"app": "SELECT", "worker": "SELECT", "broker": f"SELECT, INSERT, UPDATE ({READ})"},
        ),
        tenant_fk("approvals_preview", "customer_id", "tenants_customer"),
        tenant_fk("approvals_preview", "request_id", "approvals_approvalrequest", via=["customer_id"]),
    ]
