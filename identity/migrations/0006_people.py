import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import log, own, tenant_fk, tenant_table

APP = {"app": "SELECT, INSERT, UPDATE, DELETE"}
SWEPT = {**APP, "worker": "SELECT, DELETE"}


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0005_keys"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.AddField(
            model_name="totpdevice",
            name="next_seed",
            field=models.BinaryField(max_length=128, null=True),
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("template", models.CharField(max_length=40)),
                ("recipient", models.EmailField(max_length=254)),
                ("context", models.JSONField(default=dict)),
                ("sealed_link", models.BinaryField(max_length=1024, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("queued", "Being sent"), ("sent", "Sent"), ("failed", "Not sent")],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("problem", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
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
            name="Invitation",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("email", models.EmailField(max_length=254)),
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
                ("token_hash", models.BinaryField(max_length=32)),
                ("inviter_label", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
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
                    "inviter",
                    tenants.isolation.models.TenantKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="identity.principal",
                    ),
                ),
                (
                    "member",
                    tenants.isolation.models.TenantKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "mail",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="identity.mail",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PasswordReset",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("token_hash", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
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
            name="EmailChange",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("old_email", models.EmailField(max_length=254)),
                ("new_email", models.EmailField(max_length=254)),
                ("token_hash", models.BinaryField(max_length=32)),
                ("undo_hash", models.BinaryField(max_length=32, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                ("undo_until", models.DateTimeField(blank=True, null=True)),
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
                "indexes": [models.Index(fields=["tenant_id", "user"], name="identity_emailchange_user")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "token_hash"), name="identity_emailchange_token"),
                    models.UniqueConstraint(fields=("tenant_id", "undo_hash"), name="identity_emailchange_undo"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("state", "queued")), fields=["tenant_id", "next_try_at"], name="identity_mail_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("state", "queued"), ("sealed_link", None), _connector="OR"),
                name="identity_mail_link_ends_with_sending",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(fields=("tenant_id", "token_hash"), name="identity_invitation_token"),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("accepted_at", None), ("withdrawn_at", None)),
                fields=("tenant_id", "email"),
                name="identity_invitation_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "role__in",
                        ["owner", "admin", "billing", "operator", "viewer", "customer_manager", "customer_viewer"],
                    )
                ),
                name="identity_invitation_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("role__in", ["customer_manager", "customer_viewer"]), _negated=True),
                    ("customer__isnull", False),
                    _connector="OR",
                ),
                name="identity_invitation_customer_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("role__in", ["owner", "admin", "billing"]), _negated=True),
                    ("customer__isnull", True),
                    _connector="OR",
                ),
                name="identity_invitation_tenant_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("accepted_at", None), ("withdrawn_at", None), _connector="OR"),
                name="identity_invitation_ended_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("accepted_at", None), ("member", None)),
                    models.Q(("accepted_at__isnull", False), ("member__isnull", False)),
                    _connector="OR",
                ),
                name="identity_invitation_accepted_by_member",
            ),
        ),
        migrations.AddIndex(
            model_name="passwordreset",
            index=models.Index(fields=["tenant_id", "user"], name="identity_passwordreset_user"),
        ),
        migrations.AddConstraint(
            model_name="passwordreset",
            constraint=models.UniqueConstraint(fields=("tenant_id", "token_hash"), name="identity_passwordreset_token"),
        ),
        # Anyone may have a message written; it is seen by those in whose scope the customer is that it is about.
        tenant_table(
            "identity_mail",
            customer=log("customer_id"),
            grants={"app": "SELECT, INSERT", "worker": "SELECT, INSERT, UPDATE, DELETE"},
        ),
        tenant_fk("identity_mail", "customer_id", "tenants_customer"),
        tenant_table("identity_invitation", customer="customer_id", grants={**APP, "worker": "SELECT"}),
        tenant_fk("identity_invitation", "customer_id", "tenants_customer"),
        tenant_fk("identity_invitation", "inviter_id", "identity_principal"),
        tenant_fk("identity_invitation", "member_id", "identity_user"),
        tenant_fk("identity_invitation", "mail_id", "identity_mail"),
        tenant_table("identity_passwordreset", customer=own("user_id"), grants=SWEPT),
        tenant_fk("identity_passwordreset", "user_id", "identity_user"),
        tenant_table("identity_emailchange", customer=own("user_id"), grants=SWEPT),
        tenant_fk("identity_emailchange", "user_id", "identity_user"),
    ]
