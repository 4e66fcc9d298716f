import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import SHARED, tenant_fk, tenant_table

SIGNING = """
-- What waits for the sealer's signature. It works for every tenant, so it must see all of it: ids alone.
CREATE TABLE border.pack_signing (
    tenant_id  uuid NOT NULL,
    request_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
);
GRANT SELECT, DELETE ON border.pack_signing TO msplex_sealer;
CREATE FUNCTION border.pack_announce() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO border.pack_signing (tenant_id, request_id) VALUES (NEW.tenant_id, NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION border.pack_announce() FROM PUBLIC;
CREATE TRIGGER announce AFTER INSERT ON content.audit_signaturerequest
    FOR EACH ROW EXECUTE FUNCTION border.pack_announce();
"""
UNDO = """
DROP TRIGGER announce ON content.audit_signaturerequest;
DROP FUNCTION border.pack_announce();
DROP TABLE border.pack_signing;
"""
# Who asks for a pack says what it is once; only its progress is written later, and only by the worker.
PACK = {
    "app": "SELECT, INSERT",
    "worker": "SELECT, INSERT, UPDATE (k_from, k_to, left_out, state, done, total, problem, tries, leased_until, ready_at)",
    "sealer": "SELECT",
}
PIECE = {"app": "SELECT", "worker": "SELECT, INSERT", "sealer": "SELECT"}
REQUEST = {
    "worker": "SELECT, INSERT",
    "sealer": "SELECT, UPDATE (signature, key, refused)",
}
DOMAIN = {
    "app": "SELECT, INSERT, DELETE",
    "worker": "SELECT, UPDATE (verified_at, checked_at, problem)",
}
COSIGNATURE = {"app": "SELECT, INSERT", "worker": "SELECT"}


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_sealing"),
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="HandoverDomain",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("name", models.CharField(max_length=253)),
                ("token", models.CharField(max_length=64)),
                ("added_by", models.CharField(max_length=200)),
                ("added_at", models.DateTimeField(auto_now_add=True)),
                ("verified_at", models.DateTimeField(null=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("problem", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "name"), name="audit_handoverdomain_name")
                ],
            },
        ),
        migrations.CreateModel(
            name="Pack",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("month", models.CharField(max_length=7)),
                ("domain", models.CharField(blank=True, max_length=255)),
                ("interim", models.BooleanField(default=False)),
                ("epoch", models.IntegerField()),
                ("start", models.BigIntegerField()),
                ("size", models.BigIntegerField()),
                ("cut_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("k_from", models.BigIntegerField(null=True)),
                ("k_to", models.BigIntegerField(null=True)),
                ("left_out", models.BigIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting"),
                            ("collecting", "Collecting events"),
                            ("summarising", "Setting the summary"),
                            ("signing", "Being signed"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("leased_until", models.DateTimeField(null=True)),
                ("requested_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("ready_at", models.DateTimeField(null=True)),
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
        ),
        migrations.CreateModel(
            name="PackPiece",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("name", models.CharField(max_length=100)),
                ("position", models.IntegerField()),
                ("content", models.BinaryField()),
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
                    "pack",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="audit.pack",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SignatureRequest",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                (
                    "purpose",
                    models.CharField(
                        choices=[("pdf", "The summary's signed attributes"), ("sums", "SHA256SUMS")], max_length=8
                    ),
                ),
                ("message", models.BinaryField()),
                ("signature", models.BinaryField(null=True)),
                ("key", models.BinaryField(null=True)),
                ("refused", models.CharField(blank=True, max_length=200)),
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
                    "pack",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="audit.pack",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Cosignature",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("epoch", models.IntegerField()),
                ("size", models.BigIntegerField()),
                ("witness", models.CharField(max_length=400)),
                ("line", models.CharField(max_length=500)),
                ("stamped_at", models.DateTimeField()),
                ("handed_in_by", models.CharField(max_length=200)),
                ("handed_in_at", models.DateTimeField(auto_now_add=True)),
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
                        fields=("tenant_id", "customer", "epoch", "size", "line"), name="audit_cosignature_once"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="pack",
            index=models.Index(fields=["tenant_id", "state", "id"], name="audit_pack_state"),
        ),
        migrations.AddConstraint(
            model_name="pack",
            constraint=models.UniqueConstraint(
                condition=models.Q(("interim", False)),
                fields=("tenant_id", "customer", "epoch", "month", "domain"),
                name="audit_pack_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="pack",
            constraint=models.UniqueConstraint(
                condition=models.Q(("interim", True), models.Q(("state__in", ["ready", "failed"]), _negated=True)),
                fields=("tenant_id", "customer", "domain"),
                name="audit_pack_one_interim",
            ),
        ),
        migrations.AddConstraint(
            model_name="packpiece",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "pack", "name", "position"), name="audit_packpiece_place"
            ),
        ),
        migrations.AddConstraint(
            model_name="signaturerequest",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "pack", "purpose"), name="audit_signaturerequest_once"
            ),
        ),
        tenant_table("audit_pack", customer="customer_id", grants=PACK),
        tenant_table("audit_packpiece", customer="customer_id", grants=PIECE),
        tenant_table("audit_signaturerequest", customer="customer_id", grants=REQUEST),
        tenant_table("audit_handoverdomain", customer=SHARED, grants=DOMAIN),
        tenant_table("audit_cosignature", customer="customer_id", grants=COSIGNATURE),
        tenant_fk("audit_pack", "customer_id", "tenants_customer"),
        tenant_fk("audit_packpiece", "customer_id", "tenants_customer"),
        tenant_fk("audit_signaturerequest", "customer_id", "tenants_customer"),
        tenant_fk("audit_packpiece", "pack_id", "audit_pack", via=["customer_id"]),
        tenant_fk("audit_signaturerequest", "pack_id", "audit_pack", via=["customer_id"]),
        tenant_fk("audit_cosignature", "customer_id", "tenants_customer"),
        migrations.RunSQL(SIGNING, UNDO),
    ]
