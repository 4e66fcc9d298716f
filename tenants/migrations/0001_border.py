"""What crosses the border: the directory, the revision's trigger, the partitions. Written by the owner's functions alone."""

from django.db import migrations

DIRECTORY = """
-- active: the provider's switch; false stops everything of the tenant on its next request.
-- opened: true from the commit that makes the tenant's own row on. Before that it is a name somebody began to take.
CREATE TABLE provider.tenant (
    id     uuid PRIMARY KEY,
    name   text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    opened boolean NOT NULL DEFAULT false
);
GRANT SELECT, INSERT (id, name, active), UPDATE (name, active) ON provider.tenant TO msplex_provider;

CREATE TABLE border.directory (
    kind      text NOT NULL CHECK (kind IN ('workspace', 'client', 'hook')),
    name      text NOT NULL,
    tenant_id uuid NOT NULL REFERENCES provider.tenant,
    PRIMARY KEY (kind, name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON border.directory TO msplex_provider;

-- One name in, one tenant out: there is no list.
CREATE FUNCTION border.tenant_of(kind text, name text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'SELECT t.id FROM border.directory d JOIN provider.tenant t ON t.id = d.tenant_id
      WHERE d.kind = $1 AND d.name = $2 AND t.active AND t.opened';
CREATE FUNCTION border.register_client(name text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'INSERT INTO border.directory (kind, name, tenant_id) VALUES (''client'', $1, msplex.tenant())';
CREATE FUNCTION border.register_hook(name text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'INSERT INTO border.directory (kind, name, tenant_id) VALUES (''hook'', $1, msplex.tenant())';
CREATE FUNCTION border.forget_hook(name text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'DELETE FROM border.directory WHERE kind = ''hook'' AND name = $1 AND tenant_id = msplex.tenant()';
CREATE FUNCTION border.active_tenants() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'SELECT id FROM provider.tenant WHERE active AND opened';
-- Of the acting tenant; an unknown one is not. Each request asks, and only plpgsql keeps its plan from one to the next.
CREATE FUNCTION border.tenant_active() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN RETURN coalesce((SELECT active FROM provider.tenant WHERE id = msplex.tenant()), false); END $$;
"""

OPENING = """
-- With the tenant's own row, in its commit: there is no moment at which one of the two is there without the other.
CREATE FUNCTION border.open_tenant() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE provider.tenant SET opened = true WHERE id = NEW.tenant_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is not registered' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

-- Takes back what register began, while there is nothing of the tenant; never a tenant that was opened.
CREATE FUNCTION border.withdraw_tenant(tenant uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM provider.tenant WHERE id = $1 AND NOT opened FOR UPDATE;
    IF FOUND THEN
        DELETE FROM border.directory WHERE tenant_id = $1;
        DELETE FROM provider.tenant WHERE id = $1;
    END IF;
END $$;
"""

REVISION = """
CREATE FUNCTION border.bump_revision() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE tenant uuid := msplex.tenant();
BEGIN
    INSERT INTO content.tenants_revision AS revision (tenant_id, id, number) VALUES (tenant, tenant, 1)
    ON CONFLICT (tenant_id, id) DO UPDATE SET number = revision.number + 1;
    RETURN NULL;
END $$;
"""

# A partition has no policies and so gets no grants: it is reached through its table alone.
PARTITIONS = """
CREATE FUNCTION border.month_floor(month date) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS
    $$ SELECT rpad(lpad(to_hex((extract(epoch FROM $1::timestamp) * 1000)::bigint), 12, '0'), 32, '0')::uuid $$;

CREATE FUNCTION border.make_partitions(months int) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent name;
    month  date;
BEGIN
    FOR parent IN SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = 'content'::regnamespace LOOP
        FOR ahead IN 0..months LOOP
            month := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date;
            EXECUTE format('CREATE TABLE IF NOT EXISTS content.%I PARTITION OF content.%I FOR VALUES FROM (%L) TO (%L)',
                parent || to_char(month, '_YYYY_MM'), parent,
                border.month_floor(month), border.month_floor((month + interval '1 month')::date));
        END LOOP;
    END LOOP;
END $$;
"""

GRANTS = """
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA border FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.tenant_of(text, text), border.register_client(text) TO msplex_app;
GRANT EXECUTE ON FUNCTION border.register_hook(text), border.forget_hook(text) TO msplex_app;
GRANT EXECUTE ON FUNCTION border.active_tenants(), border.make_partitions(int) TO msplex_worker;
GRANT EXECUTE ON FUNCTION border.tenant_active() TO msplex_app, msplex_worker, msplex_broker;
GRANT EXECUTE ON FUNCTION border.withdraw_tenant(uuid) TO msplex_provider;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(DIRECTORY, "DROP TABLE border.directory, provider.tenant CASCADE"),
        migrations.RunSQL(OPENING, "DROP FUNCTION border.open_tenant(), border.withdraw_tenant(uuid)"),
        migrations.RunSQL(REVISION, "DROP FUNCTION border.bump_revision()"),
        migrations.RunSQL(
            PARTITIONS,
            "DROP FUNCTION border.make_partitions(int), border.month_floor(date)",
        ),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
