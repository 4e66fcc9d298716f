from django.db import migrations, models

COLUMNS = """
GRANT UPDATE (retired_at, retired_by, health_code, noticed) ON content.connectors_connectorinstance TO msplex_app;
GRANT UPDATE (health_code, noticed) ON content.connectors_connectorinstance TO msplex_broker;
GRANT UPDATE (noticed) ON content.connectors_connectorinstance TO msplex_worker;
GRANT UPDATE (expires_on, warned_days) ON content.connectors_credential TO msplex_app;
GRANT SELECT, UPDATE (warned_days) ON content.connectors_credential TO msplex_worker;
GRANT SELECT ON content.connectors_pause TO msplex_worker;
"""
RETIRING = """
-- Retired is final, whoever asks; and no ciphertext outlives it, though the role that retires may read none. As the
-- tables' owner, so within the context of the transaction: row security holds it to the tenant.
CREATE FUNCTION border.keep_retired() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.state = 'retired' THEN
        RAISE EXCEPTION 'connection % is retired', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION border.destroy_credentials() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM content.connectors_sealedsecret s USING content.connectors_credential c
     WHERE s.tenant_id = NEW.tenant_id AND c.tenant_id = s.tenant_id AND c.id = s.credential_id
       AND c.instance_id = NEW.id;
    DELETE FROM content.connectors_adoptedsecret a USING content.connectors_credential c
     WHERE a.tenant_id = NEW.tenant_id AND c.tenant_id = a.tenant_id AND c.id = a.credential_id
       AND c.instance_id = NEW.id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION border.keep_retired(), border.destroy_credentials() FROM PUBLIC;
CREATE TRIGGER keep_retired BEFORE UPDATE ON content.connectors_connectorinstance
    FOR EACH ROW EXECUTE FUNCTION border.keep_retired();
CREATE TRIGGER destroy_credentials AFTER UPDATE OF state ON content.connectors_connectorinstance
    FOR EACH ROW WHEN (NEW.state = 'retired') EXECUTE FUNCTION border.destroy_credentials();
"""
UNDO = """
DROP TRIGGER destroy_credentials ON content.connectors_connectorinstance;
DROP TRIGGER keep_retired ON content.connectors_connectorinstance;
DROP FUNCTION border.destroy_credentials(), border.keep_retired();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0005_signals"),
    ]

    operations = [
        migrations.AddField("connectorinstance", "health_code", models.CharField(blank=True, max_length=64)),
        migrations.AddField("connectorinstance", "noticed", models.CharField(blank=True, max_length=32)),
        migrations.AddField("connectorinstance", "retired_at", models.DateTimeField(null=True)),
        migrations.AddField("connectorinstance", "retired_by", models.CharField(blank=True, max_length=200)),
        migrations.AlterField(
            "connectorinstance",
            "state",
            models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("active", "Active"),
                    ("inactive", "Inactive"),
                    ("retired", "Retired"),
                ],
                default="draft",
                max_length=16,
            ),
        ),
        migrations.AddField("credential", "expires_on", models.DateField(null=True)),
        migrations.AddField("credential", "warned_days", models.PositiveSmallIntegerField(null=True)),
        migrations.RunSQL(COLUMNS, migrations.RunSQL.noop),
        migrations.RunSQL(RETIRING, UNDO),
    ]
