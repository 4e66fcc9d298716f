import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

# Who orders a file says once which; how far it is, only the worker writes, and only the worker takes it away.
FILE = {
    "app": "SELECT, INSERT",
    "worker": (
        "SELECT, DELETE, UPDATE (state, done, total, after, pieces, digests, ledger, problem, tries, holder,"
        " leased_until, ready_at, size, sha256)"
    ),
}
PIECE = {"app": "SELECT", "worker": "SELECT, INSERT, DELETE"}


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_provider_tokens"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExportFile",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("what", models.CharField(max_length=16)),
                ("month", models.DateField()),
                ("format", models.CharField(max_length=8)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ordered_by", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting"),
                            ("making", "Being made"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("after", models.UUIDField(null=True)),
                ("pieces", models.PositiveIntegerField(default=0)),
                ("digests", models.JSONField(default=dict)),
                ("ledger", models.CharField(blank=True, max_length=64)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("holder", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("ready_at", models.DateTimeField(null=True)),
                ("size", models.BigIntegerField(default=0)),
                ("sha256", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["ready", "failed"]), _negated=True),
                        fields=("tenant_id", "what", "month", "format"),
                        name="billing_exportfile_one_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ExportPiece",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("position", models.PositiveIntegerField()),
                ("content", models.BinaryField()),
                (
                    "file",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="billing.exportfile",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "file", "position"), name="billing_exportpiece_place")
                ],
            },
        ),
        tenant_table("billing_exportfile", grants=FILE),
        tenant_table("billing_exportpiece", grants=PIECE),
        tenant_fk("billing_exportpiece", "file_id", "billing_exportfile"),
    ]
