"""The look-ups that are made before there is a tenant. One name in, one tenant out; there is no list."""

from typing import Literal
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Func

Kind = Literal["workspace", "client", "hook"]


def tenant_of(kind: Kind, name: str) -> UUID | None:
    """The active tenant that this workspace name, machine client or address of a webhook belongs to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.tenant_of(%s::text, %s::text)", [kind, name])
        row = cursor.fetchone()
    return row[0] if row else None


def register_client(client_id: str) -> None:
    """Bind a machine client to the acting tenant; inside its transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.register_client(%s::text)", [client_id])


def register_hook(address: str) -> None:
    """Bind the address of a webhook to the acting tenant; inside its transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.register_hook(%s::text)", [address])


def forget_hook(address: str) -> None:
    """Only the acting tenant's own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.forget_hook(%s::text)", [address])


def active_tenants() -> list[UUID]:
    """Ids of every active tenant, for the worker's sweeps; no other role may ask."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.active_tenants()")
        return [row[0] for row in cursor.fetchall()]


class TenantActive(Func):
    """In a query: whether the provider lets the acting tenant work. No process of a tenant's can change that."""

    template = "(SELECT border.tenant_active())"  # a sub-select runs once, not once a row
    output_field = BooleanField()
