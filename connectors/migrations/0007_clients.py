"""The vendor's clients, of whom customers are mapped to some."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table


def _instance() -> tenants.isolation.models.TenantKey:
    return tenants.isolation.models.TenantKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="connectors.connectorinstance",
    )


def _ids() -> list[tuple[str, models.Field]]:
    return [
        ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
        ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0006_lifecycle"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClientList",
            fields=[
                *_ids(),
                ("asked_at", models.DateTimeField(null=True)),
                ("asked_by", models.CharField(blank=True, max_length=200)),
                ("believe", models.BooleanField(default=False)),
                ("fetched_at", models.DateTimeField(null=True)),
                ("ok_at", models.DateTimeField(null=True)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("count", models.PositiveIntegerField(default=0)),
                ("instance", _instance()),
            ],
        ),
        migrations.CreateModel(
            name="VendorClient",
            fields=[
                *_ids(),
                ("external_id", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=200)),
                ("domain", models.CharField(blank=True, max_length=253)),
                ("first_seen_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                ("instance", _instance()),
            ],
        ),
        # Names of everybody's clients: for those alone who see every customer.
        tenant_table(
            "connectors_clientlist",
            grants={
                "app": "SELECT, INSERT, UPDATE (asked_at, asked_by, believe)",
                "worker": "SELECT",
                "broker": "SELECT, INSERT, UPDATE (believe, fetched_at, ok_at, code, count)",
            },
        ),
        tenant_fk("connectors_clientlist", "instance_id", "connectors_connectorinstance"),
        tenant_table(
            "connectors_vendorclient",
            grants={"app": "SELECT", "broker": "SELECT, INSERT, DELETE, UPDATE (name, domain, gone_at)"},
        ),
        tenant_fk("connectors_vendorclient", "instance_id", "connectors_connectorinstance"),
        migrations.AddConstraint(
            model_name="clientlist",
            constraint=models.UniqueConstraint(fields=("tenant_id", "instance"), name="connectors_clientlist_instance"),
        ),
        migrations.AddConstraint(
            model_name="vendorclient",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "instance", "external_id"), name="connectors_client_external_id"
            ),
        ),
    ]
