from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0007_billed_quantities"),
    ]

    operations = [
        migrations.AddField(model_name="subscription", name="seats", field=models.PositiveIntegerField(null=True)),
        migrations.AddField(
            model_name="subscription", name="retention_days", field=models.PositiveIntegerField(null=True)
        ),
        migrations.AddField(
            model_name="subscription", name="isolation", field=models.CharField(default="pooled", max_length=16)
        ),
    ]
