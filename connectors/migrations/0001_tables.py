import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import (
    SHARED,
    aimed,
    log,
    partitioned_table,
    tenant_fk,
    tenant_table,
    versioned_table,
)

SET_UP = "settings, configured_at, state, activated_at, activated_by, check_asked_at"
HEALTH = "health, health_checked_at, health_ok_at, health_failures, health_detail"
VERDICT = "state, gate, code, verdicts"
OUTCOME = f"{VERDICT}, finished_at, rows_returned, rows_dropped, rows_foreign, vendor_requests"


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConnectorInstance",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("connector", models.CharField(max_length=64)),
                (
                    "slug",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
                                "Use lower-case letters, digits and hyphens, such as acme-dental.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("settings", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "Draft"), ("active", "Active"), ("inactive", "Inactive")],
                        default="draft",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("configured_at", models.DateTimeField(null=True)),
                ("activated_at", models.DateTimeField(null=True)),
                ("activated_by", models.CharField(blank=True, max_length=200)),
                ("check_asked_at", models.DateTimeField(null=True)),
                (
                    "health",
                    models.CharField(
                        choices=[
                            ("unknown", "Not checked"),
                            ("healthy", "Healthy"),
                            ("degraded", "Degraded"),
                            ("failing", "Failing"),
                        ],
                        default="unknown",
                        max_length=16,
                    ),
                ),
                ("health_checked_at", models.DateTimeField(null=True)),
                ("health_ok_at", models.DateTimeField(null=True)),
                ("health_failures", models.PositiveIntegerField(default=0)),
                ("health_detail", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "slug"), name="connectors_instance_slug")],
            },
        ),
        migrations.CreateModel(
            name="Credential",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("version", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("created_by", models.CharField(max_length=200)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.customer",
                    ),
                ),
                (
                    "instance",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="credentials",
                        to="connectors.connectorinstance",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CustomerMapping",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("external_id", models.CharField(max_length=64)),
                ("external_name", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                    "instance",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="mappings",
                        to="connectors.connectorinstance",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SealedSecret",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("suite", models.CharField(max_length=64)),
                ("kek_id", models.CharField(max_length=64)),
                ("sealed", models.BinaryField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "credential",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="connectors.credential",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ToolCall",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("principal_id", models.UUIDField()),
                ("principal_kind", models.CharField(max_length=16)),
                ("principal_label", models.CharField(max_length=200)),
                ("roles", models.JSONField(default=list)),
                ("agent_session_id", models.UUIDField(null=True)),
                ("approval_id", models.UUIDField(null=True)),
                ("connector", models.CharField(blank=True, max_length=64)),
                ("tool", models.CharField(max_length=128)),
                ("arguments", models.JSONField(default=dict)),
                ("arguments_digest", models.CharField(blank=True, max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("refused", "Refused"),
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("unknown", "Outcome unknown"),
                        ],
                        max_length=16,
                    ),
                ),
                ("gate", models.CharField(blank=True, max_length=32)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("verdicts", models.JSONField(default=list)),
                ("reply_to", models.CharField(blank=True, max_length=128)),
                ("reply_key", models.BinaryField(default=bytes)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("rows_returned", models.PositiveIntegerField(null=True)),
                ("rows_dropped", models.PositiveIntegerField(null=True)),
                ("rows_foreign", models.PositiveIntegerField(default=0)),
                ("vendor_requests", models.PositiveIntegerField(default=0)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.customer",
                    ),
                ),
                (
                    "instance",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="connectors.connectorinstance",
                    ),
                ),
            ],
        ),
        tenant_table(
            "connectors_connectorinstance",
            customer=SHARED,
            grants={
                "app": f"SELECT, INSERT, UPDATE ({SET_UP}, {HEALTH})",
                "worker": "SELECT",
                "broker": f"SELECT, UPDATE ({HEALTH})",
            },
        ),
        versioned_table("connectors_connectorinstance"),
        tenant_table(
            "connectors_credential",
            customer=aimed("customer_id"),
            grants={"app": "SELECT, INSERT", "broker": "SELECT"},
        ),
        tenant_fk("connectors_credential", "instance_id", "connectors_connectorinstance"),
        tenant_fk("connectors_credential", "customer_id", "tenants_customer"),
        versioned_table("connectors_credential"),
        tenant_table(
            "connectors_customermapping",
            customer="customer_id",
            grants={
                "app": "SELECT, INSERT, UPDATE (external_id, external_name), DELETE",
                "broker": "SELECT",
            },
        ),
        tenant_fk("connectors_customermapping", "instance_id", "connectors_connectorinstance"),
        tenant_fk("connectors_customermapping", "customer_id", "tenants_customer"),
        versioned_table("connectors_customermapping"),
        # What seals may not read, what reads may not write. Some are a customer's own: for whoever has every customer.
        tenant_table("connectors_sealedsecret", grants={"app": "INSERT", "broker": "SELECT"}),
        tenant_fk("connectors_sealedsecret", "credential_id", "connectors_credential"),
        partitioned_table("connectors_toolcall"),
        tenant_table(
            "connectors_toolcall",
            customer=log("customer_id"),
            # What was asked, by whom and for whom stays as it was written down; only what became of it is added.
            grants={
                "app": f"SELECT, INSERT, UPDATE ({VERDICT})",
                "worker": f"SELECT, UPDATE ({OUTCOME})",
                "broker": f"SELECT, UPDATE ({OUTCOME}, started_at)",
            },
        ),
        tenant_fk("connectors_toolcall", "customer_id", "tenants_customer"),
        tenant_fk("connectors_toolcall", "instance_id", "connectors_connectorinstance"),
        migrations.AddConstraint(
            model_name="credential",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "instance", "customer", "version"),
                name="connectors_credential_version",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="customermapping",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "instance", "customer"), name="connectors_mapping_customer"
            ),
        ),
        migrations.AddConstraint(
            model_name="customermapping",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "instance", "external_id"), name="connectors_mapping_external_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="sealedsecret",
            constraint=models.UniqueConstraint(fields=("tenant_id", "credential"), name="connectors_sealed_credential"),
        ),
        migrations.AddIndex(
            model_name="toolcall",
            index=models.Index(fields=["tenant_id", "state", "id"], name="connectors_call_state"),
        ),
        migrations.AddIndex(
            model_name="toolcall",
            index=models.Index(fields=["tenant_id", "principal_id", "id"], name="connectors_call_principal"),
        ),
        migrations.AddIndex(
            model_name="toolcall",
            index=models.Index(
                condition=models.Q(("rows_foreign__gt", 0)),
                fields=["tenant_id", "instance", "tool", "finished_at"],
                name="connectors_call_foreign",
            ),
        ),
    ]
