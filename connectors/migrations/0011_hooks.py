import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

DELIVERED = "delivered_at, nudged_at, kept, unmapped, unreadable, refused, refused_at"
# What was told is kept in the request that brought it, and what it says is over is over.
TOLD = "title, severity, state, count, owner, opened_at, due_at, seen_at, resolved_at"
GRANT = f'GRANT INSERT, UPDATE ({TOLD}) ON "connectors_signal" TO msplex_app'
REVOKE = f'REVOKE INSERT, UPDATE ({TOLD}) ON "connectors_signal" FROM msplex_app'
WAYS = [("signed", "Signed events"), ("secret", "A call with a secret")]


def _key(to: str, related_name: str) -> tenants.isolation.models.TenantKey:
    return tenants.isolation.models.TenantKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=related_name,
        to=to,
    )


def _identity() -> list[tuple[str, models.Field]]:
    return [
        ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
        ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0010_idempotency"),
    ]

    operations = [
        migrations.CreateModel(
            name="Hook",
            fields=[
                *_identity(),
                ("instance", _key("connectors.connectorinstance", "hooks")),
                ("address", models.CharField(max_length=32)),
                ("generation", models.CharField(max_length=32)),
                ("way", models.CharField(choices=WAYS, max_length=16)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("created_by", models.CharField(max_length=200)),
                ("rotated_at", models.DateTimeField(null=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("nudged_at", models.DateTimeField(null=True)),
                ("kept", models.PositiveIntegerField(default=0)),
                ("unmapped", models.PositiveIntegerField(default=0)),
                ("unreadable", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                ("refused_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_hook_instance"),
                    models.UniqueConstraint(fields=["tenant_id", "address"], name="connectors_hook_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="HookDelivery",
            fields=[
                *_identity(),
                ("hook", _key("connectors.hook", "deliveries")),
                ("digest", models.CharField(max_length=64)),
                ("received_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant_id", "hook", "digest"], name="connectors_hookdelivery_once")
                ],
                "indexes": [models.Index(fields=["tenant_id", "received_at"], name="connectors_hookdelivery_old")],
            },
        ),
        tenant_table(
            "connectors_hook",
            grants={
                "app": f"SELECT, INSERT, UPDATE (generation, rotated_at, {DELIVERED}), DELETE",
                "worker": "SELECT",
                "broker": "SELECT",
            },
        ),
        tenant_fk("connectors_hook", "instance_id", "connectors_connectorinstance"),
        tenant_table(
            "connectors_hookdelivery",
            grants={"app": "SELECT, INSERT, DELETE", "worker": "SELECT, DELETE", "broker": ""},
        ),
        tenant_fk("connectors_hookdelivery", "hook_id", "connectors_hook"),
        migrations.RunSQL(GRANT, REVOKE),
    ]
