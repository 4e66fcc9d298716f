import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import (
    aimed,
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
            name="ToolRule",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("position", models.PositiveIntegerField(help_text="1 is asked first.")),
                ("name", models.CharField(max_length=100)),
                (
                    "effect",
                    models.CharField(
                        choices=[
                            ("refuse", "Refuse"),
                            ("approval", "Ask for approval"),
                            ("confirm", "Ask the caller"),
                            ("allow", "Let run"),
                        ],
                        max_length=16,
                    ),
                ),
                ("approvers", models.PositiveSmallIntegerField(default=0, help_text="People who have to agree.")),
                ("enabled", models.BooleanField(default=True)),
                ("risk", models.CharField(blank=True, max_length=16)),
                ("tier", models.CharField(blank=True, max_length=16)),
                ("connector", models.CharField(blank=True, max_length=64)),
                (
                    "tool",
                    models.CharField(
                        blank=True, help_text="As agents call it, such as halopsa_list_tickets.", max_length=192
                    ),
                ),
                ("role", models.CharField(blank=True, max_length=32)),
                ("caller", models.CharField(blank=True, max_length=16)),
                ("conditions", models.JSONField(default=list)),
                ("days", models.JSONField(default=list, help_text="0 is Monday. Empty: every day.")),
                ("starts", models.TimeField(blank=True, null=True)),
                ("ends", models.TimeField(blank=True, null=True)),
                ("timezone", models.CharField(blank=True, max_length=64)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("changed_by", models.CharField(max_length=200)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=models.Deferrable.DEFERRED,
                        fields=("tenant_id", "position"),
                        name="approvals_rule_position",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approvers__gt", 0), ("effect", "approval")),
                            models.Q(models.Q(("effect", "approval"), _negated=True), ("approvers", 0)),
                            _connector="OR",
                        ),
                        name="approvals_rule_approvers",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ends", None), ("starts", None)),
                            models.Q(("ends__isnull", False), ("starts__isnull", False)),
                            _connector="OR",
                        ),
                        name="approvals_rule_window",
                    ),
                ]
            },
        ),
        tenant_table(
            "approvals_toolrule",
            customer=aimed("customer_id"),
            grants={"app": "SELECT, INSERT, UPDATE, DELETE", "worker": "SELECT", "broker": "SELECT"},
        ),
        tenant_fk("approvals_toolrule", "customer_id", "tenants_customer"),
        versioned_table("approvals_toolrule"),
    ]
