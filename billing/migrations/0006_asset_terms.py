from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_export_files"),
        ("tenants", "0008_plan_terms"),
    ]

    operations = [
        migrations.AddField(model_name="planversion", name="free_assets", field=models.PositiveIntegerField(default=5)),
        migrations.AddField(
            model_name="planversion",
            name="asset_price",
            field=models.DecimalField(decimal_places=2, default=Decimal("3.00"), max_digits=10),
        ),
    ]
