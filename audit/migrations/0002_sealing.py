"""The tree over the events: what waits to be sealed, what was, and by which keys."""

from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
from tenants.isolation.operations import SHARED, tenant_table

PENDING = """
-- What is committed and not yet in a signed checkpoint. The sealer works for every tenant, so it must see all of it:
-- ids alone. `refused`: why a record is in no tree; such a row stays.
CREATE TABLE border.audit_pending (
    tenant_id uuid NOT NULL,
    event_id  uuid NOT NULL,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    refused   text,
    PRIMARY KEY (tenant_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
GRANT SELECT, DELETE, UPDATE (refused) ON border.audit_pending TO msplex_sealer;

-- Public halves of the keys that sign checkpoints, in the order in which they took over.
CREATE TABLE border.log_key (
    public bytea PRIMARY KEY CHECK (length(public) = 32),
    since  timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT ON border.log_key TO msplex_app, msplex_worker;
GRANT SELECT, INSERT (public) ON border.log_key TO msplex_sealer;

-- With the event, in its transaction, whoever writes it: there is no event that the sealer does not hear of.
CREATE FUNCTION border.audit_announce() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO border.audit_pending (tenant_id, event_id) VALUES (NEW.tenant_id, NEW.id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER announce AFTER INSERT ON content.audit_event FOR EACH ROW EXECUTE FUNCTION border.audit_announce();

-- Seconds that the acting tenant's oldest event has been waiting for.
CREATE FUNCTION border.audit_lag() RETURNS double precision
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT since FROM border.audit_pending
         WHERE tenant_id = msplex.tenant() AND refused IS NULL ORDER BY event_id LIMIT 1)), 0);
END $$;
-- The same over all tenants, for load balancers and operators: a number that names none of them.
CREATE FUNCTION border.sealing_lag() RETURNS double precision
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT min(since) FROM border.audit_pending WHERE refused IS NULL)), 0);
END $$;
-- Whether these committed events of the acting tenant are in a signed checkpoint. One that was refused never is.
CREATE FUNCTION border.audit_sealed(events uuid[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN NOT EXISTS (
        SELECT FROM border.audit_pending WHERE tenant_id = msplex.tenant() AND event_id = ANY (events));
END $$;

REVOKE EXECUTE ON FUNCTION border.audit_announce(), border.audit_lag(), border.sealing_lag(), border.audit_sealed(uuid[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.audit_lag() TO msplex_app, msplex_worker, msplex_broker;
GRANT EXECUTE ON FUNCTION border.sealing_lag() TO msplex_app, msplex_worker;
GRANT EXECUTE ON FUNCTION border.audit_sealed(uuid[]) TO msplex_app, msplex_worker, msplex_broker;
GRANT SELECT, INSERT ON content.audit_event TO msplex_sealer;
"""
UNDO = """
REVOKE SELECT, INSERT ON content.audit_event FROM msplex_sealer;
DROP TRIGGER announce ON content.audit_event;
DROP FUNCTION border.audit_announce(), border.audit_lag(), border.sealing_lag(), border.audit_sealed(uuid[]);
DROP TABLE border.audit_pending, border.log_key;
"""
# Only added to: not even the sealer may change or remove what it has written.
WRITTEN_ONCE = {"app": "SELECT", "worker": "SELECT", "sealer": "SELECT, INSERT"}


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("epoch", models.IntegerField()),
                ("size", models.BigIntegerField()),
                ("root", models.BinaryField()),
                ("leaves", models.BinaryField()),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "epoch", "size"), name="audit_checkpoint_size")
                ],
            },
        ),
        migrations.CreateModel(
            name="CheckpointSignature",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("epoch", models.IntegerField()),
                ("size", models.BigIntegerField()),
                ("key", models.BinaryField()),
                ("value", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "epoch", "size", "key"), name="audit_signature_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="Epoch",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("number", models.IntegerField()),
                ("origin", models.CharField(max_length=255)),
                ("event_id", models.UUIDField(null=True)),
                ("opened_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant_id", "number"), name="audit_epoch_number")],
            },
        ),
        migrations.CreateModel(
            name="Leaf",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("epoch", models.IntegerField()),
                ("index", models.BigIntegerField()),
                ("customer_id", models.UUIDField(null=True)),
                ("k", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "epoch", "index"), name="audit_leaf_index"),
                    models.UniqueConstraint(
                        fields=("tenant_id", "epoch", "customer_id", "k"), name="audit_leaf_k", nulls_distinct=False
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tile",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("epoch", models.IntegerField()),
                ("level", models.SmallIntegerField()),
                ("number", models.BigIntegerField()),
                ("hashes", models.BinaryField()),
                ("root", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "epoch", "level", "number"), name="audit_tile_place")
                ],
            },
        ),
        *(
            tenant_table(f"audit_{table}", customer=SHARED, grants=WRITTEN_ONCE)
            for table in ("checkpoint", "checkpointsignature", "epoch", "tile")
        ),
        tenant_table("audit_leaf", customer="customer_id", grants=WRITTEN_ONCE),
        migrations.RunSQL(PENDING, UNDO),
    ]
