from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0005_customer_limits"),
    ]

    operations = [
        migrations.RunSQL(  # the broker reads what vendors manage, and keeps it
            "GRANT INSERT, UPDATE (name, active) ON tenants_asset TO msplex_broker",
            "REVOKE INSERT, UPDATE (name, active) ON tenants_asset FROM msplex_broker",
        ),
    ]
