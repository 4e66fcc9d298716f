from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0009_customer_rates"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription", name="weight", field=models.PositiveSmallIntegerField(default=1)
        ),
    ]
