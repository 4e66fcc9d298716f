import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

DECLARED = "tool_id, pinned, pinned_digest, rows, client_id, name, domain, page, first_page, declared_at, declared_by"


def _key(to: str, related_name: str) -> tenants.isolation.models.TenantKey:
    return tenants.isolation.models.TenantKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=related_name,
        to=to,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0012_own_credentials"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClientSource",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("instance", _key("connectors.connectorinstance", "client_sources")),
                ("tool", _key("connectors.importedtool", "+")),
                ("pinned", models.JSONField()),
                ("pinned_digest", models.CharField(max_length=64)),
                ("rows", models.CharField(blank=True, max_length=300)),
                ("client_id", models.CharField(max_length=300)),
                ("name", models.CharField(max_length=300)),
                ("domain", models.CharField(blank=True, max_length=300)),
                ("page", models.CharField(blank=True, max_length=300)),
                ("first_page", models.PositiveSmallIntegerField(default=1)),
                ("declared_at", models.DateTimeField()),
                ("declared_by", models.CharField(max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_clientsource_instance")
                ],
            },
        ),
        tenant_table(
            "connectors_clientsource",
            grants={"app": f"SELECT, INSERT, UPDATE ({DECLARED}), DELETE", "worker": "SELECT", "broker": "SELECT"},
        ),
        tenant_fk("connectors_clientsource", "instance_id", "connectors_connectorinstance"),
        tenant_fk("connectors_clientsource", "tool_id", "connectors_importedtool"),
    ]
