from django.db import migrations

# What was asked for is written down once and changed by nobody: only this takes it away, from calls that have ended,
# and only when the days that the plan keeps it are over. `before`: the same moment as an id, for the partitions.
FORGET = """
CREATE FUNCTION border.forget_arguments(before uuid, most integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH due AS (
        SELECT c.tenant_id, c.id FROM content.connectors_toolcall c
          JOIN content.tenants_subscription s ON s.tenant_id = c.tenant_id
         WHERE c.tenant_id = (SELECT msplex.tenant()) AND c.id < before
           AND c.created_at < now() - make_interval(days => s.retention_days)
           AND c.state IN ('refused', 'succeeded', 'failed', 'unknown') AND c.arguments <> '{}'::jsonb
         ORDER BY c.id LIMIT most
    ), emptied AS (
        UPDATE content.connectors_toolcall c SET arguments = '{}'::jsonb FROM due
         WHERE c.tenant_id = due.tenant_id AND c.id = due.id AND c.id < before RETURNING 1
    )
    SELECT count(*) FROM emptied
$$;
REVOKE EXECUTE ON FUNCTION border.forget_arguments(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.forget_arguments(uuid, integer) TO msplex_worker;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0014_kept_answers"),
        ("tenants", "0008_plan_terms"),
    ]

    operations = [
        migrations.RunSQL(FORGET, "DROP FUNCTION border.forget_arguments(uuid, integer)"),
    ]
