from django.db import migrations

# How many of these migrations, as app.name, the database has not seen: no process that works may read the list itself.
MAKE = """
CREATE FUNCTION border.unapplied(wanted text[]) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM unnest(wanted) w
     WHERE NOT EXISTS (SELECT FROM content.django_migrations m WHERE m.app || '.' || m.name = w)
$$;
REVOKE EXECUTE ON FUNCTION border.unapplied(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.unapplied(text[])
    TO msplex_app, msplex_worker, msplex_broker, msplex_sealer, msplex_provider;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0003_customer_domains"),
    ]

    operations = [
        migrations.RunSQL(MAKE, "DROP FUNCTION border.unapplied(text[])"),
    ]
