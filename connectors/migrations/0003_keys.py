"""Keys of the broker: their registry, the credentials it has adopted, and what it may read of the record."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table

REGISTRY = """
-- Key-encryption keys of the installation; nothing of a tenant. Each row is signed by the broker's identity, in every
-- state; private halves are in the broker's key ring, never here. connectors/registry.py says what the columns are.
CREATE TABLE border.kek (
    id           text PRIMARY KEY,
    purpose      text NOT NULL CHECK (purpose IN ('intake', 'storage')),
    suite        text NOT NULL,
    public       bytea NOT NULL,
    state        text NOT NULL CHECK (state IN ('active', 'decrypt_only', 'destroyed')),
    created_at   timestamptz NOT NULL,
    not_after    timestamptz NOT NULL,
    destroyed_at timestamptz,
    mode         text NOT NULL,
    reason       text NOT NULL,
    asked_by     text NOT NULL,
    deadline     timestamptz,
    signature    bytea NOT NULL,
    CHECK ((state = 'destroyed') = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX kek_one_active ON border.kek (purpose) WHERE state = 'active';
GRANT SELECT ON border.kek TO msplex_app, msplex_broker;
GRANT INSERT, UPDATE (state, destroyed_at, signature) ON border.kek TO msplex_broker;

-- Every tenant, suspended ones too: a key is destroyed only when no row of anybody names it.
CREATE FUNCTION border.every_tenant() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'SELECT id FROM provider.tenant WHERE opened ORDER BY id';
REVOKE EXECUTE ON FUNCTION border.every_tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.every_tenant() TO msplex_broker;
"""
RECORD = """
-- That a credential was stored is looked for each time one is opened.
CREATE INDEX audit_event_credential ON content.audit_event (tenant_id, instance_id, customer_id, id)
    WHERE kind IN ('connectors:credential:store', 'connectors:credential:remove');
-- The newest record of a credential of this connection, the customer's own or the one for all: whether it was stored or
-- removed. Row security holds it. Beside it the broker may read of the log that a call was let through.
CREATE FUNCTION border.credential_record(instance uuid, customer uuid)
RETURNS TABLE (id uuid, header bytea, body bytea, writer text, boot uuid, n bigint, mac bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Two queries, so that either is a look into the index. All of them are fetched, and they are few, before the newest
    -- is chosen: told that one is enough, the planner reads the tenant's whole log backwards until it meets it.
    IF $2 IS NULL THEN
        RETURN QUERY WITH found AS MATERIALIZED (SELECT e.* FROM content.audit_event e
         WHERE e.tenant_id = msplex.tenant() AND e.instance_id = $1 AND e.customer_id IS NULL
           AND e.kind IN ('connectors:credential:store', 'connectors:credential:remove'))
        SELECT f.id, f.header, f.body, f.writer::text, f.boot, f.n, f.mac FROM found f ORDER BY f.id DESC LIMIT 1;
    ELSE
        RETURN QUERY WITH found AS MATERIALIZED (SELECT e.* FROM content.audit_event e
         WHERE e.tenant_id = msplex.tenant() AND e.instance_id = $1 AND e.customer_id = $2
           AND e.kind IN ('connectors:credential:store', 'connectors:credential:remove'))
        SELECT f.id, f.header, f.body, f.writer::text, f.boot, f.n, f.mac FROM found f ORDER BY f.id DESC LIMIT 1;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION border.credential_record(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.credential_record(uuid, uuid) TO msplex_broker;
-- What is adopted is removed from where the portal put it.
GRANT DELETE ON content.connectors_sealedsecret TO msplex_broker;
"""
MOVED = "suite, kek_id, payload, wrapped_key, rev, signature, rekeyed_at, data_key_at, unreadable"
SHOWN = "id, tenant_id, credential_id, suite, kek_id, rev, adopted_at, rekeyed_at, data_key_at, unreadable"


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0002_pauses"),
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            REGISTRY,
            "DROP FUNCTION border.every_tenant(); DROP TABLE border.kek",
        ),
        migrations.RunSQL(
            RECORD,
            "REVOKE DELETE ON content.connectors_sealedsecret FROM msplex_broker;"
            "DROP FUNCTION border.credential_record(uuid, uuid); DROP INDEX content.audit_event_credential",
        ),
        migrations.CreateModel(
            name="AdoptedSecret",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("suite", models.CharField(max_length=64)),
                ("kek_id", models.CharField(max_length=64)),
                ("payload", models.BinaryField()),
                ("wrapped_key", models.BinaryField()),
                ("rev", models.PositiveIntegerField()),
                ("signature", models.BinaryField()),
                ("intake_kek_id", models.CharField(max_length=64)),
                ("adopted_at", models.DateTimeField()),
                ("data_key_at", models.DateTimeField()),
                ("rekeyed_at", models.DateTimeField(null=True)),
                ("unreadable", models.CharField(blank=True, max_length=32)),
                (
                    "credential",
                    tenants.isolation.models.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="connectors.credential",
                    ),
                ),
            ],
        ),
        tenant_table(
            "connectors_adoptedsecret",
            # People see how far a re-keying is; of the ciphertext the broker alone sees anything.
            grants={"app": f"SELECT ({SHOWN})", "broker": f"SELECT, INSERT, DELETE, UPDATE ({MOVED})"},
        ),
        tenant_fk("connectors_adoptedsecret", "credential_id", "connectors_credential"),
        migrations.AddConstraint(
            model_name="adoptedsecret",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "credential"), name="connectors_adopted_credential"
            ),
        ),
        migrations.AddIndex(
            model_name="adoptedsecret",
            index=models.Index(fields=["tenant_id", "kek_id", "id"], name="connectors_adopted_kek"),
        ),
    ]
