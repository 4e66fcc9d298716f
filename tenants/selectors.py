from django.db.models import QuerySet

from tenants.models import Customer, Entitlement, Revision, Subscription, Tenant


def tenant() -> Tenant:
    return Tenant.objects.get()


def revision() -> int:
    return Revision.objects.values_list("number", flat=True).first() or 0


def customers() -> QuerySet[Customer]:
    return Customer.objects.order_by("name", "id")


def entitlements() -> QuerySet[Entitlement]:
    return Entitlement.objects.order_by("connector")


def subscription() -> Subscription | None:
    return Subscription.objects.first()
