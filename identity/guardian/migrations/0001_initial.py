"""django-guardian's generic tables know no tenants, so they are never made: its models exist for its code alone."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="GroupObjectPermission",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("object_pk", models.CharField(max_length=255, verbose_name="object ID")),
                        (
                            "content_type",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, to="contenttypes.contenttype"
                            ),
                        ),
                        ("group", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.group")),
                        (
                            "permission",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.permission"),
                        ),
                    ],
                    options={
                        "abstract": False,
                        "unique_together": {("group", "permission", "object_pk")},
                        "indexes": [
                            models.Index(
                                fields=["permission", "group", "content_type", "object_pk"],
                                name="guardian_gr_permiss_83545c_idx",
                            ),
                            models.Index(
                                fields=["group", "content_type", "object_pk"], name="guardian_gr_group_i_9e7d12_idx"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UserObjectPermission",
                    fields=[
                        (
                            "id",
                            models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                        ),
                        ("object_pk", models.CharField(max_length=255, verbose_name="object ID")),
                        (
                            "content_type",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, to="contenttypes.contenttype"
                            ),
                        ),
                        (
                            "permission",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.permission"),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL),
                        ),
                    ],
                    options={
                        "abstract": False,
                        "unique_together": {("user", "permission", "object_pk")},
                        "indexes": [
                            models.Index(
                                fields=["permission", "user", "content_type", "object_pk"],
                                name="guardian_us_permiss_e5749c_idx",
                            ),
                            models.Index(
                                fields=["user", "content_type", "object_pk"], name="guardian_us_user_id_8eae14_idx"
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
