from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0008_plan_terms"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="calls_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Calls of all connectors in a minute; none: as many as the plan has.",
                null=True,
            ),
        ),
    ]
