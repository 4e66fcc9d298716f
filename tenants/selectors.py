from typing import Any

from django.db.models import QuerySet

from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, one
from tenants.models import Customer, Entitlement, Revision, Subscription, Tenant


def tenant() -> Tenant:
    return Tenant.objects.get()


def revision() -> int:
    return Revision.objects.values_list("number", flat=True).first() or 0


def ask_revision(db: Signed) -> Any:
    """`revision`, among other constant statements; read with `revision_of`."""
    return db.ask("SELECT number FROM tenants_revision WHERE tenant_id = %s", acting_tenant())


def revision_of(cursor: Any) -> int:
    row = one(cursor)
    return int(row[0]) if row else 0


def customers() -> QuerySet[Customer]:
    return Customer.objects.order_by("name", "id")


def entitlements() -> QuerySet[Entitlement]:
    return Entitlement.objects.order_by("connector")


def subscription() -> Subscription | None:
    return Subscription.objects.first()
