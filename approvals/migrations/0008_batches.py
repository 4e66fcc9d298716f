from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0007_steps"),
    ]

    operations = [
        migrations.AddField(
            model_name="approvalrequest",
            name="batch",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="approvalrequest",
            name="batch_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch_id__isnull", False)),
                fields=("tenant_id", "batch_id", "customer"),
                name="approvals_request_of_batch",
            ),
        ),
        migrations.AddIndex(
            model_name="approvalrequest",
            index=models.Index(
                condition=models.Q(("batch_id__isnull", False)),
                fields=["tenant_id", "batch_id"],
                name="approvals_request_batch",
            ),
        ),
    ]
