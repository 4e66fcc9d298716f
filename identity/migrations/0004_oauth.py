from datetime import timedelta

import django.db.models.deletion
import django.db.models.expressions
import oauth2_provider.models
from django.conf import settings
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import OPEN, own, own_read, tenant_fk, tenant_table

APP = {"app": "SELECT, INSERT, UPDATE, DELETE"}
SWEPT = {"worker": "SELECT, DELETE"}


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0003_rights"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="OAuthApplication",
            fields=[
                (
                    "redirect_uris",
                    models.TextField(
                        blank=True, help_text="Allowed URIs list, space separated", verbose_name="redirect URIs"
                    ),
                ),
                (
                    "client_type",
                    models.CharField(
                        choices=[("confidential", "Confidential"), ("public", "Public")],
                        max_length=32,
                        verbose_name="client type",
                    ),
                ),
                (
                    "authorization_grant_type",
                    models.CharField(
                        choices=[
                            ("authorization-code", "Authorization code"),
                            ("urn:ietf:params:oauth:grant-type:device_code", "Device Code"),
                            ("implicit", "Implicit"),
                            ("password", "Resource owner password-based"),
                            ("client-credentials", "Client credentials"),
                            ("openid-hybrid", "OpenID connect hybrid"),
                        ],
                        max_length=44,
                        verbose_name="authorization grant type",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=255, verbose_name="name")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "registration_source",
                    models.CharField(
                        choices=[
                            ("manual", "Manual"),
                            ("dcr", "Dynamic Client Registration"),
                            ("cimd", "Client ID Metadata Document"),
                        ],
                        default="manual",
                        help_text="How this application was registered (manual, DCR per RFC 7591, or CIMD)",
                        max_length=32,
                        verbose_name="registration source",
                    ),
                ),
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("client_id", models.CharField(max_length=2048)),
                ("client_key", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "client_key"), name="identity_oauthapplication_client")
                ],
            },
        ),
        migrations.CreateModel(
            name="AgentSession",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("cross_customer", models.BooleanField(default=False)),
                ("scope", models.CharField(max_length=500)),
                ("epoch", models.PositiveBigIntegerField()),
                ("token_seconds", models.PositiveSmallIntegerField(default=900)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("first_used_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("ended_because", models.CharField(blank=True, max_length=32)),
                ("address", models.CharField(blank=True, max_length=45)),
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
                    "user",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "application",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OAuthCode",
            fields=[
                ("expires", models.DateTimeField(verbose_name="expires")),
                ("redirect_uri", models.TextField(verbose_name="redirect URI")),
                ("scope", models.TextField(blank=True, verbose_name="scope")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "code_challenge",
                    models.CharField(blank=True, default="", max_length=128, verbose_name="code challenge"),
                ),
                (
                    "code_challenge_method",
                    models.CharField(
                        blank=True,
                        choices=[("plain", "plain"), ("S256", "S256")],
                        default="",
                        max_length=10,
                        verbose_name="code challenge method",
                    ),
                ),
                (
                    "resource",
                    oauth2_provider.models.ResourceJSONField(blank=True, default=list, verbose_name="resource"),
                ),
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("code", models.CharField(max_length=64)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "agent_session",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="identity.agentsession",
                    ),
                ),
                (
                    "application",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
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
        ),
        migrations.CreateModel(
            name="OAuthRefreshToken",
            fields=[
                (
                    "token_checksum",
                    oauth2_provider.models.TokenChecksumField(max_length=64, verbose_name="token checksum"),
                ),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated", models.DateTimeField(auto_now=True, verbose_name="updated")),
                ("revoked", models.DateTimeField(null=True, verbose_name="revoked")),
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("expires", models.DateTimeField()),
                (
                    "agent_session",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="identity.agentsession",
                    ),
                ),
                (
                    "application",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
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
        ),
        migrations.AddIndex(
            model_name="agentsession",
            index=models.Index(fields=["tenant_id", "user", "-id"], name="identity_agentsession_user"),
        ),
        migrations.AddConstraint(
            model_name="agentsession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cross_customer", True), ("customer__isnull", True)),
                    models.Q(("cross_customer", False), ("customer__isnull", False)),
                    _connector="OR",
                ),
                name="identity_agentsession_one_customer",
            ),
        ),
        migrations.AddConstraint(
            model_name="agentsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("token_seconds__gte", 60), ("token_seconds__lte", 900)),
                name="identity_agentsession_token_life",
            ),
        ),
        migrations.AddConstraint(
            model_name="oauthcode",
            constraint=models.UniqueConstraint(fields=("tenant_id", "code"), name="identity_oauthcode_code"),
        ),
        migrations.AddIndex(
            model_name="oauthrefreshtoken",
            index=models.Index(fields=["tenant_id", "agent_session", "-id"], name="identity_refresh_session"),
        ),
        migrations.AddConstraint(
            model_name="oauthrefreshtoken",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "token_checksum"), name="identity_oauthrefreshtoken_token"
            ),
        ),
        migrations.CreateModel(
            name="ServiceAccountKey",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("kid", models.CharField(max_length=43)),
                ("algorithm", models.CharField(choices=[("EdDSA", "EdDSA"), ("ES256", "ES256")], max_length=8)),
                ("jwk", models.JSONField()),
                ("slot", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_address", models.CharField(blank=True, max_length=45)),
                (
                    "account",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="keys",
                        to="identity.serviceaccount",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SpentAssertion",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("digest", models.BinaryField(max_length=32)),
                ("expires_at", models.DateTimeField()),
                (
                    "account",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="identity.serviceaccount",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="serviceaccountkey",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "account", "kid"), name="identity_serviceaccountkey_kid"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountkey",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "account", "slot"), name="identity_serviceaccountkey_two_live"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("slot__isnull", True),
                    models.Q(("revoked_at__isnull", True), ("slot__in", [1, 2])),
                    _connector="OR",
                ),
                name="identity_serviceaccountkey_slot",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountkey",
            constraint=models.CheckConstraint(
                condition=models.Q(("algorithm__in", ("EdDSA", "ES256"))),
                name="identity_serviceaccountkey_algorithm",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "expires_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("created_at"), "+", models.Value(timedelta(days=366))
                        ),
                    )
                ),
                name="identity_serviceaccountkey_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="spentassertion",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "account", "digest"), name="identity_spentassertion_once"
            ),
        ),
        # A client's name and addresses: nothing of a customer, and whoever lets it in writes them.
        tenant_table("identity_oauthapplication", customer=OPEN, grants=APP),
        tenant_table("identity_agentsession", customer=own("user_id"), grants={**APP, **SWEPT}),
        tenant_fk("identity_agentsession", "user_id", "identity_user"),
        tenant_fk("identity_agentsession", "application_id", "identity_oauthapplication"),
        tenant_fk("identity_agentsession", "customer_id", "tenants_customer"),
        *(
            operation
            for table in ("identity_oauthcode", "identity_oauthrefreshtoken")
            for operation in (
                tenant_table(table, customer=own("user_id"), grants={**APP, **SWEPT}),
                tenant_fk(table, "user_id", "identity_user"),
                tenant_fk(table, "application_id", "identity_oauthapplication"),
                tenant_fk(table, "agent_session_id", "identity_agentsession"),
            )
        ),
        tenant_table(
            "identity_serviceaccountkey", customer=own_read("account_id"), grants={"app": "SELECT, INSERT, UPDATE"}
        ),
        tenant_fk("identity_serviceaccountkey", "account_id", "identity_serviceaccount"),
        tenant_table("identity_spentassertion", customer=own("account_id"), grants={"app": "SELECT, INSERT", **SWEPT}),
        tenant_fk("identity_spentassertion", "account_id", "identity_serviceaccount"),
    ]
