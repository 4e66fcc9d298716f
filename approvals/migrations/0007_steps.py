from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0006_previews"),
    ]

    operations = [
        migrations.AddField(
            model_name="grantuse",
            name="step",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.RemoveConstraint(model_name="grantuse", name="approvals_grantuse_once"),
        migrations.AddConstraint(
            model_name="grantuse",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "agent", "grant_ref", "number", "step"), name="approvals_grantuse_once"
            ),
        ),
    ]
