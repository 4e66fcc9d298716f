"""Secrets of automation in a table of their own; where it may come from, and when it ends."""

from datetime import timedelta

import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import own_read, tenant_fk, tenant_table

APP = {"app": "SELECT, INSERT, UPDATE"}  # none is removed: a replaced secret must be known when it comes back


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0002_permissions"),
    ]

    operations = [
        migrations.CreateModel(
            name="ServiceAccountSecret",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("digest", models.BinaryField(max_length=32)),
                ("prefix", models.CharField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("current", "Current"),
                            ("previous", "Previous"),
                            ("retired", "Retired"),
                            ("revoked", "Revoked"),
                        ],
                        default="current",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField()),
                ("superseded_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_address", models.CharField(blank=True, max_length=45)),
            ],
        ),
        migrations.RemoveField(
            model_name="serviceaccount",
            name="secret_hash",
        ),
        migrations.RemoveField(
            model_name="serviceaccount",
            name="secret_prefix",
        ),
        migrations.AddField(
            model_name="principal",
            name="networks",
            field=models.CharField(blank=True, max_length=800),
        ),
        migrations.AddField(
            model_name="serviceaccount",
            name="last_used_address",
            field=models.CharField(blank=True, max_length=45),
        ),
        migrations.AddField(
            model_name="serviceaccount",
            name="locked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="serviceaccount",
            name="renewed_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AlterField(
            model_name="serviceaccount",
            name="purpose",
            field=models.CharField(max_length=500),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(("purpose", ""), _negated=True), name="identity_serviceaccount_purpose"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "expires_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("renewed_at"), "+", models.Value(timedelta(days=366))
                        ),
                    )
                ),
                name="identity_serviceaccount_ends",
            ),
        ),
        migrations.AddField(
            model_name="serviceaccountsecret",
            name="account",
            field=tenants.isolation.models.TenantKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="secrets",
                to="identity.serviceaccount",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountsecret",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["current", "previous"])),
                fields=("tenant_id", "account", "state"),
                name="identity_secret_two_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountsecret",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "account", "digest"), name="identity_secret_digest"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["current", "previous", "retired", "revoked"])),
                name="identity_secret_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "expires_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("created_at"), "+", models.Value(timedelta(days=366))
                        ),
                    )
                ),
                name="identity_secret_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["previous", "retired"]), _negated=True),
                    models.Q(
                        (
                            "expires_at__lte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("superseded_at"), "+", models.Value(timedelta(days=7))
                            ),
                        ),
                        ("superseded_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="identity_secret_overlap",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "revoked"), _negated=True), ("revoked_at__isnull", False), _connector="OR"
                ),
                name="identity_secret_revoked",
            ),
        ),
        tenant_table("identity_serviceaccountsecret", customer=own_read("account_id"), grants=APP),
        tenant_fk("identity_serviceaccountsecret", "account_id", "identity_serviceaccount"),
    ]
