"""What can be allowed for a customer, as rows that django-guardian's permissions refer to."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CODENAMES = [
    "approvals:request:decide",
    "audit:alert:manage",
    "audit:alert:read",
    "audit:event:read",
    "billing:usage:read",
    "connectors:catalogue:read",
    "connectors:instance:read",
    "customers:customer:read",
    "gateway:call:read",
    "gateway:tool:destroy",
    "gateway:tool:read",
    "gateway:tool:write",
    "identity:member:manage",
    "identity:member:read",
    "portal:dashboard:read",
]


def add(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    customer, _ = content_types.get_or_create(app_label="tenants", model="customer")
    for codename in CODENAMES:
        permissions.get_or_create(content_type=customer, codename=codename, defaults={"name": codename})


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
