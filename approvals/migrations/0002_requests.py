import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

# What becomes of a request. Nothing else of it can be changed, by anyone.
COURSE = "state, code, because, call_id, approved_at, execute_by, ended_at"
VOTED = ("approvals_approvalrequest", "approvals_vote")
BOUND = "tenant_id, id, requester_id, answerable_id, digest"


def _of_a_request(table: str, grants: dict[str, str]) -> list[migrations.RunSQL]:
    """A table that is only added to."""
    return [
        tenant_table(table, customer="customer_id", grants=grants),
        tenant_fk(table, "customer_id", "tenants_customer"),
        tenant_fk(table, "request_id", "approvals_approvalrequest", via=["customer_id"]),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0001_initial"),
        ("connectors", "0004_checks"),
        ("identity", "0001_initial"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.AddField(
            model_name="toolrule",
            name="factors",
            field=models.JSONField(default=list, help_text="Roles, each of which another one of them must have."),
        ),
        migrations.CreateModel(
            name="ApprovalRequest",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("requester_id", models.UUIDField()),
                ("requester_kind", models.CharField(max_length=16)),
                ("requester_label", models.CharField(max_length=200)),
                ("agent_session_id", models.UUIDField(null=True)),
                ("answerable_id", models.UUIDField()),
                ("roles", models.JSONField(default=list)),
                ("connector", models.CharField(max_length=64)),
                ("tool", models.CharField(max_length=128)),
                ("arguments", models.JSONField()),
                (
                    "fingerprint",
                    models.CharField(help_text="Of instance, tool and arguments: the same call again.", max_length=64),
                ),
                ("external_id", models.CharField(help_text="The customer's id at the vendor.", max_length=200)),
                ("tool_digest", models.CharField(help_text="Of what the tool is declared as.", max_length=64)),
                ("policy_rule", models.UUIDField(help_text="None: what holds where no rule fits.", null=True)),
                ("policy_version", models.CharField(max_length=64)),
                ("need", models.PositiveSmallIntegerField()),
                ("factors", models.JSONField(default=list)),
                ("nonce", models.CharField(max_length=32)),
                ("digest", models.CharField(max_length=64)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("ticket", models.CharField(blank=True, max_length=100)),
                ("created_at", models.DateTimeField()),
                ("decide_by", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting for approval"),
                            ("approved", "Approved"),
                            ("executing", "Running"),
                            ("executed", "Executed"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                            ("expired", "Expired"),
                            ("failed", "Failed"),
                            ("outcome_unknown", "Outcome unknown"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("because", models.CharField(blank=True, max_length=500)),
                ("call_id", models.UUIDField(null=True)),
                ("approved_at", models.DateTimeField(null=True)),
                ("execute_by", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenants.customer",
                    ),
                ),
                (
                    "instance",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="connectors.connectorinstance",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("author_id", models.UUIDField()),
                ("author_label", models.CharField(max_length=200)),
                ("text", models.CharField(max_length=1000)),
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
                    "request",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="comments",
                        to="approvals.approvalrequest",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ExecutionGrant",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("call_id", models.UUIDField()),
                ("nonce", models.CharField(max_length=32)),
                ("digest", models.CharField(max_length=64)),
                ("payload", models.TextField()),
                ("signature", models.BinaryField(max_length=64)),
                ("issued_at", models.DateTimeField()),
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
                        related_name="grants",
                        to="approvals.approvalrequest",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Vote",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("requester_id", models.UUIDField()),
                ("answerable_id", models.UUIDField()),
                ("digest", models.CharField(max_length=64)),
                ("approver_id", models.UUIDField()),
                ("approver_label", models.CharField(max_length=200)),
                (
                    "decision",
                    models.CharField(choices=[("approve", "Approved"), ("reject", "Rejected")], max_length=16),
                ),
                ("factor", models.CharField(blank=True, max_length=16)),
                (
                    "factor_ref",
                    models.CharField(
                        blank=True, help_text="The same device has the same, whoever uses it.", max_length=64
                    ),
                ),
                ("proof", models.JSONField(default=dict, help_text="Of a passkey: the signature and what it is over.")),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField()),
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
                        related_name="votes",
                        to="approvals.approvalrequest",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="approvalrequest",
            index=models.Index(fields=["tenant_id", "state", "id"], name="approvals_request_state"),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["pending", "approved", "executing"])),
                fields=("tenant_id", "requester_id", "agent_session_id", "customer", "fingerprint"),
                name="approvals_request_open",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.UniqueConstraint(fields=("tenant_id", "nonce"), name="approvals_request_nonce"),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.CheckConstraint(condition=models.Q(("need__gt", 0)), name="approvals_request_need"),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("state__in", ["pending", "approved", "executing"])),
                    models.Q(
                        models.Q(("state__in", ["pending", "approved", "executing"]), _negated=True),
                        ("ended_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="approvals_request_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["approved", "executing", "executed", "outcome_unknown"]), _negated=True),
                    models.Q(("approved_at__isnull", False), ("execute_by__isnull", False)),
                    _connector="OR",
                ),
                name="approvals_request_approved",
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["executing", "executed", "outcome_unknown"]), _negated=True),
                    ("call_id__isnull", False),
                    _connector="OR",
                ),
                name="approvals_request_call",
            ),
        ),
        migrations.AddConstraint(
            model_name="executiongrant",
            constraint=models.UniqueConstraint(fields=("tenant_id", "request"), name="approvals_grant_once"),
        ),
        migrations.AddConstraint(
            model_name="executiongrant",
            constraint=models.UniqueConstraint(fields=("tenant_id", "nonce"), name="approvals_grant_nonce"),
        ),
        migrations.AddConstraint(
            model_name="executiongrant",
            constraint=models.UniqueConstraint(fields=("tenant_id", "call_id"), name="approvals_grant_call"),
        ),
        migrations.AddConstraint(
            model_name="vote",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "request", "approver_id"), name="approvals_vote_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="vote",
            constraint=models.UniqueConstraint(
                condition=models.Q(("factor_ref", ""), _negated=True),
                fields=("tenant_id", "request", "factor_ref"),
                name="approvals_vote_device_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="vote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approver_id", models.F("requester_id")), _negated=True),
                    models.Q(("approver_id", models.F("answerable_id")), _negated=True),
                ),
                name="approvals_vote_not_own",
            ),
        ),
        migrations.AddConstraint(
            model_name="vote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decision", "approve"),
                        ("factor__in", ["totp", "passkey"]),
                        models.Q(("factor_ref", ""), _negated=True),
                    ),
                    models.Q(("decision", "reject"), models.Q(("reason", ""), _negated=True)),
                    _connector="OR",
                ),
                name="approvals_vote_whole",
            ),
        ),
        tenant_table(
            "approvals_approvalrequest",
            customer="customer_id",
            grants={
                "app": f"SELECT, INSERT, UPDATE ({COURSE})",
                "worker": f"SELECT, UPDATE ({COURSE})",
                "broker": f"SELECT, UPDATE ({COURSE})",
            },
        ),
        tenant_fk("approvals_approvalrequest", "customer_id", "tenants_customer"),
        tenant_fk("approvals_approvalrequest", "instance_id", "connectors_connectorinstance"),
        tenant_fk("approvals_approvalrequest", "requester_id", "identity_principal"),
        tenant_fk("approvals_approvalrequest", "answerable_id", "identity_principal"),
        *_of_a_request("approvals_vote", {"app": "SELECT, INSERT", "broker": "SELECT"}),
        *_of_a_request("approvals_comment", {"app": "SELECT, INSERT"}),
        *_of_a_request("approvals_executiongrant", {"app": "SELECT", "broker": "SELECT, INSERT"}),
        tenant_fk("approvals_vote", "approver_id", "identity_principal"),
        tenant_fk("connectors_toolcall", "approval_id", "approvals_approvalrequest"),
        migrations.RunSQL(
            [
                *(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY" for table in VOTED),
                f"ALTER TABLE approvals_approvalrequest ADD CONSTRAINT approvals_request_vote UNIQUE ({BOUND})",
                (
                    "ALTER TABLE approvals_vote ADD CONSTRAINT approvals_vote_bound"
                    " FOREIGN KEY (tenant_id, request_id, requester_id, answerable_id, digest)"
                    f" REFERENCES approvals_approvalrequest ({BOUND})"
                ),
                (
                    "ALTER TABLE approvals_toolrule ADD CONSTRAINT approvals_rule_factors"
                    " CHECK (jsonb_typeof(factors) = 'array' AND jsonb_array_length(factors) <= approvers)"
                ),
                *(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in VOTED),
            ],
            migrations.RunSQL.noop,
        ),
    ]
