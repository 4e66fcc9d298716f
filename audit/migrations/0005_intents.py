"""What the broker may read of the log about a call: that it was let through."""

from django.db import migrations

INTENT = """
-- With whether it is in a signed checkpoint, and whether the log says that the call has ended. Both were made between
-- the two ids: so one partition is looked into.
CREATE FUNCTION border.call_intent(call uuid, since uuid, until uuid)
RETURNS TABLE (id uuid, header bytea, body bytea, writer text, boot uuid, n bigint, mac bytea, sealed boolean,
    ended boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY WITH found AS MATERIALIZED (SELECT e.* FROM content.audit_event e
     WHERE e.tenant_id = msplex.tenant() AND e.call_id = $1 AND e.id >= $2 AND e.id < $3)
    SELECT f.id, f.header, f.body, f.writer::text, f.boot, f.n, f.mac,
        NOT EXISTS (SELECT FROM border.audit_pending p WHERE p.tenant_id = f.tenant_id AND p.event_id = f.id),
        EXISTS (SELECT FROM found o
         WHERE o.kind IN ('gateway:call:finish', 'gateway:call:lose', 'gateway:call:refuse'))
      FROM found f WHERE f.kind = 'gateway:call:intend' ORDER BY f.id LIMIT 1;
END $$;
REVOKE EXECUTE ON FUNCTION border.call_intent(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.call_intent(uuid, uuid, uuid) TO msplex_broker;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_search")]
    operations = [migrations.RunSQL(INTENT, "DROP FUNCTION border.call_intent(uuid, uuid, uuid)")]
