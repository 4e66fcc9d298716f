"""Which tenants have files of exports that nobody goes on with, or that were kept long enough."""

from django.db import migrations

from tenants.isolation.surveys import question, surveyed_table

SURVEYED = ("billing_exportfile",)
_FILES = """
    SELECT tenant_id FROM content.billing_exportfile
     WHERE state NOT IN ('ready', 'failed') AND (leased_until IS NULL OR leased_until < moment)
        OR state = 'ready' AND ready_at < old OR state = 'failed' AND created_at < old
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_export_files"),
        ("msplex", "0001_surveys"),
    ]
    operations = [
        surveyed_table(*SURVEYED),
        question("with_files", "moment timestamptz, old timestamptz", _FILES),
    ]
