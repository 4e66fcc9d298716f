from django.db import migrations

# Who took the provider's export, when, and of which month. Added by its own role, and changed or taken away by none.
EXPORTS = """
CREATE TABLE provider.usage_export (
    id       uuid PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now(),
    taken_by text NOT NULL,
    month    date NOT NULL,
    format   text NOT NULL,
    tenants  integer NOT NULL,
    sha256   text NOT NULL
);
GRANT SELECT, INSERT ON provider.usage_export TO msplex_provider;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_asset_terms"),
    ]

    operations = [
        migrations.RunSQL(EXPORTS, "DROP TABLE provider.usage_export"),
    ]
