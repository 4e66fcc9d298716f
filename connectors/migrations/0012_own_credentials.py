"""Credentials that are one customer's own."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
import tenants.isolation.context
import tenants.isolation.models
from tenants.isolation.operations import tenant_fk, tenant_table, versioned_table

HEALTH = "health, health_checked_at, health_ok_at, health_failures, health_code, noticed"
DESTROYING = """
-- What was sealed for a customer goes with the row that says that it has a credential of its own, whoever removes that:
-- a person, the end of the mapping (the key cascades), its change, the end of the connection. The role that removes may
-- read no ciphertext. As the tables' owner, so within the context of the transaction.
CREATE FUNCTION border.destroy_own_credential() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM content.connectors_sealedsecret s USING content.connectors_credential c
     WHERE s.tenant_id = OLD.tenant_id AND c.tenant_id = s.tenant_id AND c.id = s.credential_id
       AND c.instance_id = OLD.instance_id AND c.customer_id = OLD.customer_id;
    DELETE FROM content.connectors_adoptedsecret a USING content.connectors_credential c
     WHERE a.tenant_id = OLD.tenant_id AND c.tenant_id = a.tenant_id AND c.id = a.credential_id
       AND c.instance_id = OLD.instance_id AND c.customer_id = OLD.customer_id;
    RETURN NULL;
END $$;
-- A key that is good for one client of the vendor's is not for another.
CREATE FUNCTION border.forget_own_credential() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM content.connectors_owncredential WHERE tenant_id = NEW.tenant_id AND mapping_id = NEW.id;
    RETURN NULL;
END $$;
CREATE FUNCTION border.forget_own_credentials() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM content.connectors_owncredential WHERE tenant_id = NEW.tenant_id AND instance_id = NEW.id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION border.destroy_own_credential(), border.forget_own_credential(),
    border.forget_own_credentials() FROM PUBLIC;
CREATE TRIGGER destroy_own_credential AFTER DELETE ON content.connectors_owncredential
    FOR EACH ROW EXECUTE FUNCTION border.destroy_own_credential();
CREATE TRIGGER forget_own_credential AFTER UPDATE OF external_id ON content.connectors_customermapping
    FOR EACH ROW WHEN (NEW.external_id <> OLD.external_id) EXECUTE FUNCTION border.forget_own_credential();
CREATE TRIGGER forget_own_credentials AFTER UPDATE OF state ON content.connectors_connectorinstance
    FOR EACH ROW WHEN (NEW.state = 'retired') EXECUTE FUNCTION border.forget_own_credentials();
GRANT UPDATE (own_credentials_only) ON content.connectors_connectorinstance TO msplex_app;
"""
UNDO = """
DROP TRIGGER forget_own_credentials ON content.connectors_connectorinstance;
DROP TRIGGER forget_own_credential ON content.connectors_customermapping;
DROP TRIGGER destroy_own_credential ON content.connectors_owncredential;
DROP FUNCTION border.forget_own_credentials(), border.forget_own_credential(), border.destroy_own_credential();
"""


def _key(to: str, related_name: str = "+") -> tenants.isolation.models.TenantKey:
    return tenants.isolation.models.TenantKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=related_name,
        to=to,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0011_hooks"),
    ]

    operations = [
        migrations.AddField("connectorinstance", "own_credentials_only", models.BooleanField(default=False)),
        migrations.CreateModel(
            name="OwnCredential",
            fields=[
                ("id", models.UUIDField(default=tenants.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField(default=tenants.isolation.context.acting_tenant, editable=False)),
                ("stored_at", models.DateTimeField()),
                ("check_asked_at", models.DateTimeField(null=True)),
                (
                    "health",
                    models.CharField(
                        choices=[
                            ("unknown", "Not checked"),
                            ("healthy", "Healthy"),
                            ("degraded", "Degraded"),
                            ("failing", "Failing"),
                        ],
                        default="unknown",
                        max_length=16,
                    ),
                ),
                ("health_checked_at", models.DateTimeField(null=True)),
                ("health_ok_at", models.DateTimeField(null=True)),
                ("health_failures", models.PositiveIntegerField(default=0)),
                ("health_code", models.CharField(blank=True, max_length=64)),
                ("noticed", models.CharField(blank=True, max_length=32)),
                ("customer", _key("tenants.customer")),
                ("instance", _key("connectors.connectorinstance", "own_credentials")),
                ("mapping", _key("connectors.customermapping")),
            ],
        ),
        tenant_table(
            "connectors_owncredential",
            customer="customer_id",
            grants={
                "app": f"SELECT, INSERT, DELETE, UPDATE (stored_at, check_asked_at, {HEALTH})",
                "worker": "SELECT, UPDATE (noticed)",
                "broker": f"SELECT, UPDATE ({HEALTH})",
            },
        ),
        tenant_fk("connectors_owncredential", "instance_id", "connectors_connectorinstance"),
        tenant_fk("connectors_owncredential", "customer_id", "tenants_customer"),
        tenant_fk(
            "connectors_owncredential",
            "mapping_id",
            "connectors_customermapping",
            via=["customer_id"],
            on_delete="CASCADE",
        ),
        versioned_table("connectors_owncredential"),
        migrations.AddConstraint(
            model_name="owncredential",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "instance", "customer"), name="connectors_own_customer"
            ),
        ),
        migrations.RunSQL(DESTROYING, UNDO),
    ]
