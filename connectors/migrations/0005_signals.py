import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import SHARED, tenant_fk, tenant_table

SEEN = "title, severity, state, count, opened_at, due_at, seen_at, resolved_at"
ASKED = "pulled_at, ok_at, code, kept, unmapped, unreadable"


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


KINDS = [
    ("alert", "Alert"),
    ("sla", "Service level breached"),
    ("devices", "Devices"),
    ("cves", "Known vulnerabilities"),
]
SEVERITIES = [("critical", "Critical"), ("high", "High"), ("medium", "Medium"), ("low", "Low"), ("unknown", "Not said")]


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0004_checks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Signal",
            fields=[
                *_identity(),
                ("instance", _key("connectors.connectorinstance", "signals")),
                ("customer", _key("tenants.customer", "+")),
                ("kind", models.CharField(choices=KINDS, max_length=16)),
                ("external_id", models.CharField(max_length=64)),
                ("owner", models.CharField(max_length=64)),
                ("title", models.CharField(max_length=320)),
                ("severity", models.CharField(choices=SEVERITIES, default="unknown", max_length=16)),
                (
                    "state",
                    models.CharField(choices=[("open", "Open"), ("resolved", "Over")], default="open", max_length=16),
                ),
                ("count", models.PositiveBigIntegerField(null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["tenant_id", "instance", "customer", "kind", "external_id"],
                        name="connectors_signal_known",
                    )
                ],
                "indexes": [
                    models.Index(fields=["tenant_id", "state", "id"], name="connectors_signal_state"),
                    models.Index(fields=["tenant_id", "customer", "state", "id"], name="connectors_signal_customer"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SignalPull",
            fields=[
                *_identity(),
                ("instance", _key("connectors.connectorinstance", "pulls")),
                ("pulled_at", models.DateTimeField(null=True)),
                ("ok_at", models.DateTimeField(null=True)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("kept", models.PositiveIntegerField(default=0)),
                ("unmapped", models.PositiveIntegerField(default=0)),
                ("unreadable", models.PositiveIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["tenant_id", "instance"], name="connectors_pull_instance")
                ],
            },
        ),
        tenant_table(
            "connectors_signal",
            customer="customer_id",
            grants={
                "app": "SELECT",
                "worker": "SELECT, DELETE",
                "broker": f"SELECT, INSERT, UPDATE ({SEEN}), DELETE",
            },
        ),
        tenant_fk("connectors_signal", "instance_id", "connectors_connectorinstance"),
        tenant_fk("connectors_signal", "customer_id", "tenants_customer"),
        tenant_table(
            "connectors_signalpull",
            customer=SHARED,
            grants={"app": "SELECT", "worker": "SELECT", "broker": f"SELECT, INSERT, UPDATE ({ASKED})"},
        ),
        tenant_fk("connectors_signalpull", "instance_id", "connectors_connectorinstance"),
    ]
