from django.db import migrations

TOKENS = """
CREATE TABLE provider.token (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    digest     bytea NOT NULL UNIQUE,
    made_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
GRANT SELECT, INSERT, UPDATE (revoked_at) ON provider.token TO msplex_provider;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_customers_and_bytes"),
    ]

    operations = [
        migrations.RunSQL(TOKENS, "DROP TABLE provider.token"),
    ]
