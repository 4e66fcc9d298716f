import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import OPEN, SHARED, own, tenant_fk, tenant_table

APP = {"app": "SELECT, INSERT, UPDATE, DELETE"}
SEEN = (
    "(SELECT msplex.all_customers()) OR customer_id = ANY ((SELECT msplex.customers())::uuid[])"
    " OR principal_id = (SELECT msplex.principal())"
)
# A session stays its person's, with its key and its beginning: only what happens to it is written.
WRITTEN = "epoch, data, last_seen_at, expires_at, mfa_at, mfa_method, ended_at, end_reason, ended_by"
# One's own sessions, and for a customer's managers those of the customer's people.
SESSION_POLICY = [
    "DROP POLICY customer ON identity_session",
    f"CREATE POLICY customer ON identity_session AS RESTRICTIVE FOR ALL USING ({SEEN})",
]


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0004_oauth"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Passkey",
            fields=[
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True,
                        help_text="The date and time when this device was initially created in the system.",
                        null=True,
                    ),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True, help_text="The most recent date and time this device was used.", null=True
                    ),
                ),
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "credential_type",
                    models.CharField(
                        choices=[("public-key", "Public Key")],
                        default="public-key",
                        editable=False,
                        max_length=32,
                        verbose_name="credential type",
                    ),
                ),
                ("credential_id", models.BinaryField(max_length=1023, verbose_name="credential id data")),
                ("public_key", models.BinaryField(max_length=1023, verbose_name="COSE public key data")),
                ("transports", models.JSONField(default=list, editable=False, verbose_name="transports")),
                ("sign_count", models.PositiveIntegerField(default=0, editable=False, verbose_name="sign count")),
                ("backup_eligible", models.BooleanField(default=False, editable=False, verbose_name="backup eligible")),
                ("backup_state", models.BooleanField(default=False, editable=False, verbose_name="backup state")),
                ("aaguid", models.CharField(editable=False, max_length=36, verbose_name="AAGUID")),
                (
                    "discoverable",
                    models.BooleanField(default=None, editable=False, null=True, verbose_name="discoverable"),
                ),
                ("credential_id_sha256", models.CharField(editable=False, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="SecurityPolicy",
            fields=[
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "id",
                    models.UUIDField(
                        default=tenants.isolation.context.acting_tenant,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("idle_minutes", models.PositiveSmallIntegerField(default=60)),
                ("session_minutes", models.PositiveSmallIntegerField(default=720)),
                ("passkey_sign_in", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="SpentChallenge",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("digest", models.BinaryField(max_length=32)),
                ("spent_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.AddField(
            model_name="session",
            name="customer",
            field=tenants.isolation.models.TenantKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="tenants.customer",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("absolute", "Reached the longest time"),
                    ("disabled", "Account disabled"),
                    ("factor_changed", "Second factor changed"),
                    ("idle", "Not used for too long"),
                    ("password_changed", "Password changed"),
                    ("revoked", "Revoked"),
                    ("signed_out", "Signed out"),
                    ("withdrawn", "Withdrawn"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="ended_by",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ended_at__isnull", True), models.Q(("end_reason", ""), _negated=True), _connector="OR"
                ),
                name="identity_session_ended_for_a_reason",
            ),
        ),
        migrations.AddField(
            model_name="passkey",
            name="user",
            field=tenants.isolation.models.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="securitypolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("id", models.F("tenant_id"))), name="identity_one_securitypolicy"
            ),
        ),
        migrations.AddConstraint(
            model_name="securitypolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("idle_minutes__gte", 5), ("idle_minutes__lte", 60)),
                name="identity_securitypolicy_idle",
            ),
        ),
        migrations.AddConstraint(
            model_name="securitypolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("session_minutes__gte", 60), ("session_minutes__lte", 720)),
                name="identity_securitypolicy_session",
            ),
        ),
        migrations.AddConstraint(
            model_name="spentchallenge",
            constraint=models.UniqueConstraint(fields=("tenant_id", "digest"), name="identity_spentchallenge_once"),
        ),
        migrations.AddIndex(
            model_name="passkey",
            index=models.Index(fields=["tenant_id", "user"], name="identity_passkey_user"),
        ),
        migrations.AddConstraint(
            model_name="passkey",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "credential_id_sha256"), name="identity_passkey_credential"
            ),
        ),
        tenant_table("identity_passkey", customer=own("user_id"), grants=APP),
        tenant_fk("identity_passkey", "user_id", "identity_user"),
        tenant_table(
            "identity_securitypolicy",
            customer=SHARED,
            grants={"app": "SELECT, INSERT, UPDATE", "worker": "SELECT"},
        ),
        tenant_table(
            "identity_spentchallenge",
            customer=OPEN,
            grants={"app": "SELECT, INSERT", "worker": "SELECT, DELETE"},
        ),
        tenant_fk("identity_session", "customer_id", "tenants_customer"),
        migrations.RunSQL(SESSION_POLICY, migrations.RunSQL.noop),
        migrations.RunSQL(
            [
                "REVOKE UPDATE ON identity_session FROM msplex_app",
                f"GRANT UPDATE ({WRITTEN}) ON identity_session TO msplex_app",
                "GRANT SELECT, UPDATE (ended_at, end_reason, ended_by) ON identity_session TO msplex_worker",
            ],
            migrations.RunSQL.noop,
        ),
    ]
