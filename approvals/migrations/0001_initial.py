import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import (
    SHARED,
    tenant_fk,
    tenant_table,
    versioned_table,
)


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApprovalPolicy",
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
                ("risk", models.CharField(blank=True, max_length=16)),
                ("tool", models.CharField(blank=True, max_length=128)),
                ("required", models.BooleanField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "risk", "tool"),
                        name="approvals_policy_subject",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("risk", ""), models.Q(("tool", ""), _negated=True)),
                            models.Q(models.Q(("risk", ""), _negated=True), ("tool", "")),
                            _connector="OR",
                        ),
                        name="approvals_policy_one_subject",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovalRequest",
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
                ("requester_id", models.UUIDField()),
                ("requester_label", models.CharField(max_length=200)),
                ("connector", models.CharField(max_length=64)),
                ("tool", models.CharField(max_length=128)),
                ("arguments", models.JSONField()),
                ("digest", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting for approval"),
                            ("expired", "Expired"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenants.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "pending")),
                        fields=("tenant_id", "requester_id", "customer", "digest"),
                        name="approvals_request_pending",
                    )
                ],
            },
        ),
        tenant_table("approvals_approvalpolicy", customer=SHARED),
        versioned_table("approvals_approvalpolicy"),
        tenant_table(
            "approvals_approvalrequest",
            customer="customer_id",
            grants={"app": "SELECT, INSERT, UPDATE", "worker": "SELECT, UPDATE"},
        ),
        tenant_fk("approvals_approvalrequest", "customer_id", "tenants_customer"),
    ]
