import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import own, own_read, tenant_fk, tenant_table, versioned_table

ALL = "(SELECT msplex.all_customers())"
IN_SCOPE = "customer_id = ANY ((SELECT msplex.customers())::uuid[])"
SELF = "(SELECT msplex.principal())"
COMMANDS = (("INSERT", "WITH CHECK"), ("UPDATE", "USING"), ("DELETE", "USING"))


def own_or_in_scope(table: str, column: str, *, own_written: bool) -> migrations.RunSQL:
    """Who belongs to a customer is seen by the customer's managers, and everyone sees what is their own.

    Replaces the policy that own() made. `own_written`: one's own row may also be changed; else it may not, although
    it belongs to a customer in scope: that would be one's own role, or the epoch that withdraws one's credentials.
    """
    seen = f"{ALL} OR {IN_SCOPE} OR {column} = {SELF}"
    written = seen if own_written else f"{ALL} OR ({IN_SCOPE} AND {column} <> {SELF})"
    return migrations.RunSQL(
        [
            f"DROP POLICY customer ON {table}",
            f"CREATE POLICY customer_select ON {table} AS RESTRICTIVE FOR SELECT USING ({seen})",
            *(
                f"CREATE POLICY customer_{command.lower()} ON {table} AS RESTRICTIVE FOR {command} {clause} ({written})"
                for command, clause in COMMANDS
            ),
        ],
        migrations.RunSQL.noop,
    )


READ_BY_ALL = {"app": "SELECT, INSERT, UPDATE, DELETE", "worker": "SELECT", "broker": "SELECT"}
APP = {"app": "SELECT, INSERT, UPDATE, DELETE"}


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Attempts",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("subject", models.BinaryField(max_length=32)),
                ("count", models.PositiveIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "subject"), name="identity_attempts_subject")
                ],
            },
        ),
        migrations.CreateModel(
            name="Principal",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "kind",
                    models.CharField(choices=[("user", "user"), ("service_account", "service_account")], max_length=20),
                ),
                ("label", models.CharField(max_length=200)),
                ("epoch", models.PositiveBigIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
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
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "tenant_id",
                    models.UUIDField(default=tenants.isolation.context.acting_tenant_or_none, editable=False),
                ),
                ("email", models.EmailField(max_length=254)),
                ("name", models.CharField(max_length=200)),
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
                (
                    "principal",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="users",
                        to="identity.principal",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("code_hash", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RoleBinding",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("billing", "Billing"),
                            ("operator", "Operator"),
                            ("viewer", "Viewer"),
                            ("customer_manager", "Customer manager"),
                            ("customer_viewer", "Customer viewer"),
                        ],
                        max_length=32,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
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
                (
                    "principal",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="bindings",
                        to="identity.principal",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("name", models.CharField(max_length=200)),
                ("purpose", models.CharField(blank=True, max_length=500)),
                ("client_id", models.CharField(max_length=64)),
                ("secret_hash", models.BinaryField(max_length=32)),
                ("secret_prefix", models.CharField(max_length=16)),
                ("token_seconds", models.PositiveSmallIntegerField(default=900)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owner",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "principal",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="service_accounts",
                        to="identity.principal",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("key_hash", models.BinaryField(max_length=32)),
                ("epoch", models.PositiveBigIntegerField()),
                ("data", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_seen_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("mfa_at", models.DateTimeField()),
                ("mfa_method", models.CharField(max_length=20)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("user_agent", models.CharField(blank=True, max_length=300)),
                (
                    "principal",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="identity.principal",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TotpDevice",
            fields=[
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("sealed_seed", models.BinaryField(max_length=128)),
                ("last_step", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CustomerPermission",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "content_object",
                    tenants.isolation.models.TenantKey(
                        db_column="customer_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenants.customer",
                    ),
                ),
                (
                    "permission",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="auth.permission",
                    ),
                ),
                (
                    "user",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "user", "content_object", "permission"),
                        name="identity_customerpermission_once",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="principal",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["user", "service_account"])), name="identity_principal_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(fields=("tenant_id", "email"), name="identity_user_email"),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("principal", models.F("id"))), name="identity_user_is_its_principal"
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverycode",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "user", "code_hash"), name="identity_recoverycode_once"
            ),
        ),
        migrations.AddIndex(
            model_name="rolebinding",
            index=models.Index(fields=["tenant_id", "customer"], name="identity_binding_customer"),
        ),
        migrations.AddConstraint(
            model_name="rolebinding",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "principal", "role", "customer"),
                name="identity_rolebinding_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="rolebinding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "role__in",
                        ["owner", "admin", "billing", "operator", "viewer", "customer_manager", "customer_viewer"],
                    )
                ),
                name="identity_rolebinding_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="rolebinding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("role__in", ["customer_manager", "customer_viewer"]), _negated=True),
                    ("customer__isnull", False),
                    _connector="OR",
                ),
                name="identity_rolebinding_customer_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="rolebinding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("role__in", ["owner", "admin", "billing"]), _negated=True),
                    ("customer__isnull", True),
                    _connector="OR",
                ),
                name="identity_rolebinding_tenant_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.UniqueConstraint(fields=("tenant_id", "name"), name="identity_serviceaccount_name"),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "client_id"), name="identity_serviceaccount_client"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(("principal", models.F("id"))), name="identity_serviceaccount_is_its_principal"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(("token_seconds__gte", 60), ("token_seconds__lte", 3600)),
                name="identity_serviceaccount_token_life",
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["tenant_id", "principal", "-id"], name="identity_session_principal"),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.UniqueConstraint(fields=("tenant_id", "key_hash"), name="identity_session_key"),
        ),
        migrations.AddConstraint(
            model_name="totpdevice",
            constraint=models.UniqueConstraint(fields=("tenant_id", "user"), name="identity_totpdevice_one"),
        ),
        tenant_table("identity_principal", customer=own("id"), grants=READ_BY_ALL),
        own_or_in_scope("identity_principal", "id", own_written=False),
        tenant_fk("identity_principal", "customer_id", "tenants_customer"),
        # Whom one belongs to is nobody's to change, and one's own row can be written: so by columns.
        tenant_table("identity_user", customer=own("id"), grants={"app": "SELECT, INSERT"}),
        own_or_in_scope("identity_user", "id", own_written=True),
        migrations.RunSQL(
            "GRANT UPDATE (email, name, password) ON identity_user TO msplex_app", migrations.RunSQL.noop
        ),
        tenant_fk("identity_user", "principal_id", "identity_principal"),
        tenant_fk("identity_user", "customer_id", "tenants_customer"),
        tenant_table("identity_serviceaccount", customer=own_read("id"), grants=APP),
        tenant_fk("identity_serviceaccount", "principal_id", "identity_principal"),
        tenant_fk("identity_serviceaccount", "owner_id", "identity_user"),
        tenant_table("identity_rolebinding", customer=own("principal_id"), grants=READ_BY_ALL),
        own_or_in_scope("identity_rolebinding", "principal_id", own_written=False),
        tenant_fk("identity_rolebinding", "principal_id", "identity_principal"),
        tenant_fk("identity_rolebinding", "customer_id", "tenants_customer"),
        versioned_table("identity_rolebinding"),
        tenant_table("identity_totpdevice", customer=own("user_id"), grants=APP),
        tenant_fk("identity_totpdevice", "user_id", "identity_user"),
        tenant_table("identity_recoverycode", customer=own("user_id"), grants=APP),
        tenant_fk("identity_recoverycode", "user_id", "identity_user"),
        tenant_table("identity_session", customer=own("principal_id"), grants=APP),
        tenant_fk("identity_session", "principal_id", "identity_principal"),
        tenant_table("identity_attempts", grants={**APP, "worker": "SELECT, DELETE"}),
        tenant_table("identity_customerpermission", customer="customer_id", grants={**APP, "worker": "SELECT, DELETE"}),
        tenant_fk("identity_customerpermission", "user_id", "identity_user"),
        tenant_fk("identity_customerpermission", "customer_id", "tenants_customer"),
        # The catalogue of permissions is the deployment's, the same for every tenant, and nobody's to change.
        migrations.RunSQL("GRANT SELECT ON auth_permission, django_content_type TO msplex_app", migrations.RunSQL.noop),
        migrations.RunSQL("GRANT SELECT ON auth_permission TO msplex_worker", migrations.RunSQL.noop),
    ]
