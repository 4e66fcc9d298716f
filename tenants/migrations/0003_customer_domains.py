from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0002_tables"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="domains",
            field=models.JSONField(default=list),
        ),
    ]
