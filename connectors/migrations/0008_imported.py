import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import SHARED, tenant_fk, tenant_table, versioned_table

_KEYS = [
    ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
    ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
]
_SEEN = "seen, seen_digest, state"
_DECLARED = (
    "pinned, pinned_digest, title, description, risk, tier, declaration, classified_at, classified_by, exposed_at,"
    " exposed_by"
)


def _instance(related_name: str) -> tenants.isolation.models.TenantKey:
    return tenants.isolation.models.TenantKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=related_name,
        to="connectors.connectorinstance",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0007_clients"),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportedTool",
            fields=[
                *_KEYS,
                ("name", models.CharField(max_length=60)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("discovered", "Not exposed"),
                            ("exposed", "Exposed"),
                            ("withdrawn", "Withdrawn"),
                            ("changed", "Changed, to be reviewed"),
                        ],
                        default="discovered",
                        max_length=16,
                    ),
                ),
                ("seen", models.JSONField(default=dict)),
                ("seen_digest", models.CharField(blank=True, max_length=64)),
                ("pinned", models.JSONField(default=dict)),
                ("pinned_digest", models.CharField(blank=True, max_length=64)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("description", models.CharField(blank=True, max_length=2000)),
                ("risk", models.CharField(blank=True, max_length=16)),
                ("tier", models.CharField(blank=True, max_length=16)),
                ("declaration", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("classified_at", models.DateTimeField(null=True)),
                ("classified_by", models.CharField(blank=True, max_length=200)),
                ("exposed_at", models.DateTimeField(null=True)),
                ("exposed_by", models.CharField(blank=True, max_length=200)),
                ("instance", _instance("imported_tools")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "instance", "name"), name="connectors_imported_name"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "exposed"), _negated=True),
                            models.Q(
                                ("seen_digest", models.F("pinned_digest")),
                                models.Q(("pinned_digest", ""), _negated=True),
                                ("exposed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="connectors_exposed_as_reviewed",
                    ),
                ],
            },
        ),
        tenant_table(
            "connectors_importedtool",
            customer=SHARED,
            grants={
                "app": f"SELECT, INSERT, UPDATE ({_SEEN}, {_DECLARED})",
                "broker": f"SELECT, INSERT, UPDATE ({_SEEN})",
            },
        ),
        tenant_fk("connectors_importedtool", "instance_id", "connectors_connectorinstance"),
        versioned_table("connectors_importedtool"),
        migrations.CreateModel(
            name="Discovery",
            fields=[
                *_KEYS,
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("found", models.PositiveIntegerField(default=0)),
                ("unusable", models.PositiveIntegerField(default=0)),
                ("added", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("reasons", models.JSONField(default=dict)),
                ("instance", _instance("discoveries")),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "instance", "id"], name="connectors_discovery_last")],
            },
        ),
        tenant_table(
            "connectors_discovery",
            customer=SHARED,
            grants={"app": "SELECT, INSERT", "broker": "SELECT, INSERT"},
        ),
        tenant_fk("connectors_discovery", "instance_id", "connectors_connectorinstance"),
    ]
