"""Tenants for tests. Every call makes new ones, so tests never meet each other's rows."""

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator
from uuid import UUID

from django.db import transaction

from tenants.isolation.context import Context, acting_for
from tenants.models import Customer, Entitlement, Subscription, Tenant
from tenants.provisioning import register_tenant


@dataclasses.dataclass
class TenantWorld:
    """A tenant with its customers, without people: identity's factories add those."""

    id: UUID
    name: str
    workspace: str
    customers: list[Customer]

    @contextlib.contextmanager
    def acting(self, *customers: Customer, principal: UUID | None = None) -> Iterator[Context]:
        """A transaction in the tenant's context; with customers named, narrowed to them."""
        scope = tuple(customer.id for customer in customers) or None
        context = Context(self.id, scope, principal)
        with acting_for(context), transaction.atomic():
            yield context

    @contextlib.contextmanager
    def narrow(self) -> Iterator[Context]:
        """A context without any customer."""
        context = Context(self.id, ())
        with acting_for(context), transaction.atomic():
            yield context


def make_tenant(name: str = "acme", *, customers: int = 3, entitled: bool = True) -> TenantWorld:
    workspace = f"{name}-{secrets.token_hex(4)}"
    tenant_id = register_tenant(name=name.title(), workspace=workspace)
    world = TenantWorld(tenant_id, name.title(), workspace, [])
    with world.acting():
        Tenant.objects.create(name=world.name, workspace=workspace)
        Subscription.objects.create(plan="demo", status=Subscription.Status.ACTIVE)
        if entitled:
            Entitlement.objects.create(connector="halopsa", included_calls=10_000, calls_per_minute=100_000)
        world.customers = [
            Customer.objects.create(name=f"{world.name} Customer {number}", key=f"{name}-{number}")
            for number in range(1, customers + 1)
        ]
    return world
