from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_provider_exports"),
    ]

    operations = [
        migrations.AddField(model_name="planversion", name="weight", field=models.PositiveSmallIntegerField(default=1)),
    ]
