"""A tenant's existence, which is the provider's to write: the connection "provider", nothing of a tenant's content."""

from uuid import UUID

from django.db import connections, transaction

from tenants.errors import Conflict, Unavailable
from tenants.ids import uuid7

ALIAS = "provider"


def register_tenant(*, name: str, workspace: str) -> UUID:
    """Give a workspace name to a new tenant, which opens with its own row. Conflict when the name is taken.

    A tenant that was registered and never opened, because whoever made it was interrupted, gives the name back.
    """
    if ALIAS not in connections:
        raise Unavailable(
            "Set MSPLEX_PROVIDER_DATABASE_URL: tenants are registered as the provider.",
            permanent=True,
        )
    tenant_id = uuid7()
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT border.withdraw_tenant(tenant_id) FROM border.directory WHERE kind = 'workspace' AND name = %s",
            [workspace],
        )
        cursor.execute("INSERT INTO provider.tenant (id, name) VALUES (%s, %s)", [tenant_id, name])
        cursor.execute(
            "INSERT INTO border.directory (kind, name, tenant_id) VALUES ('workspace', %s, %s) ON CONFLICT DO NOTHING",
            [workspace, tenant_id],
        )
        if cursor.rowcount != 1:
            transaction.set_rollback(True, using=ALIAS)
            raise Conflict(
                f"The workspace name {workspace} is taken. Choose another.",
                code="workspace_taken",
            )
    return tenant_id


def withdraw_tenant(tenant_id: UUID) -> None:
    """Undo register_tenant. A tenant that was opened stays: the database sees to it."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT border.withdraw_tenant(%s)", [tenant_id])
