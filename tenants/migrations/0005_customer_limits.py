from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0004_unapplied"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="monthly_calls",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Calls of all connectors in a calendar month; none: as many as the plan has.",
                null=True,
            ),
        ),
    ]
