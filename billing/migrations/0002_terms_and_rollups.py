from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import SHARED, STAFF, log, tenant_fk, tenant_table

_APP_READS = {"app": "SELECT", "worker": "SELECT, INSERT"}
_CLOSED_BY_TIME = {"app": "SELECT, INSERT, UPDATE (valid_to)", "worker": "SELECT"}
TABLES = (
    ("billing_closedmonth", SHARED, {"app": "SELECT", "worker": "SELECT, INSERT"}),
    ("billing_gaugesample", log("customer_id"), _APP_READS),
    ("billing_planversion", STAFF, {"app": "SELECT, INSERT", "worker": "SELECT"}),
    ("billing_pricelist", STAFF, _CLOSED_BY_TIME),
    ("billing_rollupmark", SHARED, {"app": "SELECT", "worker": "SELECT, INSERT, UPDATE"}),
    ("billing_subscriptionperiod", STAFF, _CLOSED_BY_TIME),
    ("billing_usagecorrection", log("customer_id"), _APP_READS),
    ("billing_usagerollup", log("customer_id"), {"app": "SELECT", "worker": "SELECT, INSERT, UPDATE"}),
)
OF_CUSTOMERS = ("billing_gaugesample", "billing_usagecorrection", "billing_usagerollup")
# What the provider bills by: totals of a tenant's month, and nothing of what is in them.
USAGE_OUTWARD = """
CREATE TABLE border.usage (
    tenant_id   uuid NOT NULL REFERENCES provider.tenant (id),
    month       date NOT NULL,
    meter       text NOT NULL,
    kind        text NOT NULL,
    unit        text NOT NULL,
    quantity    bigint NOT NULL,
    corrections bigint NOT NULL,
    closed      boolean NOT NULL,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, month, meter)
);
CREATE FUNCTION border.report_usage(
    of_month date, of_meter text, its_kind text, its_unit text, total bigint, corrected bigint, is_closed boolean
) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO border.usage
    VALUES (msplex.tenant(), of_month, of_meter, its_kind, its_unit, total, corrected, is_closed, now())
    ON CONFLICT (tenant_id, month, meter) DO UPDATE
    SET quantity = excluded.quantity, corrections = excluded.corrections, closed = excluded.closed,
        reported_at = excluded.reported_at
$$;
REVOKE EXECUTE ON FUNCTION border.report_usage(date, text, text, text, bigint, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.report_usage(date, text, text, text, bigint, bigint, boolean) TO msplex_worker;
GRANT SELECT ON border.usage TO msplex_provider;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="RollupMark",
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
                ("upto", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ClosedMonth",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("month", models.DateField()),
                ("closed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "month"), name="billing_closedmonth_month")
                ],
            },
        ),
        migrations.CreateModel(
            name="PlanVersion",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("plan", models.CharField(max_length=64)),
                ("number", models.PositiveIntegerField()),
                ("currency", models.CharField(default="EUR", max_length=3)),
                ("seats", models.PositiveIntegerField(null=True)),
                ("retention_days", models.PositiveIntegerField()),
                ("isolation", models.CharField(default="pooled", max_length=16)),
                ("connectors", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "plan", "number"), name="billing_planversion_number")
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceList",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("free_assets", models.PositiveIntegerField(default=5)),
                ("asset_price", models.DecimalField(decimal_places=2, default=Decimal("3.00"), max_digits=10)),
                ("currency", models.CharField(default="EUR", max_length=3)),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(null=True)),
                ("changed_by", models.CharField(max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "valid_to"), name="billing_prices_open", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="GaugeSample",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("meter", models.CharField(max_length=32)),
                ("at", models.DateTimeField()),
                ("value", models.PositiveIntegerField()),
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
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "at"], name="billing_gaugesample_at")],
            },
        ),
        migrations.CreateModel(
            name="SubscriptionPeriod",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("trialing", "Trial"),
                            ("active", "Active"),
                            ("past_due", "Past due"),
                            ("suspended", "Suspended"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=16,
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(null=True)),
                ("changed_by", models.CharField(max_length=200)),
                ("reason", models.CharField(blank=True, max_length=300)),
                (
                    "plan_version",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="billing.planversion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "valid_to"), name="billing_period_open", nulls_distinct=False
                    ),
                    models.UniqueConstraint(fields=("tenant_id", "version"), name="billing_period_version"),
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageCorrection",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("meter", models.CharField(max_length=32)),
                ("connector", models.CharField(blank=True, max_length=64)),
                ("month", models.DateField()),
                ("booked_in", models.DateField()),
                ("quantity", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
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
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "booked_in"], name="billing_correction_booked")],
            },
        ),
        migrations.CreateModel(
            name="UsageRollup",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("grain", models.CharField(choices=[("hour", "Hour"), ("day", "Day")], max_length=4)),
                ("starts_at", models.DateTimeField()),
                ("meter", models.CharField(max_length=32)),
                ("connector", models.CharField(blank=True, max_length=64)),
                ("quantity", models.BigIntegerField()),
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "grain", "starts_at", "meter", "connector", "customer"),
                        name="billing_usagerollup_one",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.RunSQL(
            "CREATE INDEX billing_usageevent_when ON billing_usageevent "
            " USING brin (tenant_id, recorded_at, occurred_at)",
            "DROP INDEX billing_usageevent_when",
        ),
        *(tenant_table(table, customer=kind, grants=grants) for table, kind, grants in TABLES),
        *(tenant_fk(table, "customer_id", "tenants_customer") for table in OF_CUSTOMERS),
        tenant_fk("billing_subscriptionperiod", "plan_version_id", "billing_planversion"),
        migrations.RunSQL(USAGE_OUTWARD, "DROP TABLE border.usage CASCADE; DROP FUNCTION border.report_usage"),
    ]
