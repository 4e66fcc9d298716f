"""How many calls of a month, and of a minute, one customer may use of what the plan has."""

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from billing.models import CustomerCounter
from billing.months import this_month
from identity.permissions import Permission
from identity.services.authority import authorise
from tenants.errors import Invalid, NotFound
from tenants.models import Customer

MOST_CALLS = 1_000_000_000  # of a limit; more is none
MOST_A_MINUTE = 1_000_000


def limits() -> QuerySet[Customer]:
    """Every active customer by name, with `used`: its calls of this month, of all connectors."""
    counted = CustomerCounter.objects.filter(customer_id=OuterRef("pk"), month=this_month()).values("used")[:1]
    found = Customer.objects.filter(status=Customer.Status.ACTIVE).order_by("name", "key")
    return found.annotate(used=Coalesce(Subquery(counted), Value(0)))


@transaction.atomic
def limit_customer(
    customer: Customer, *, monthly_calls: int | None, calls_per_minute: int | None, by: Actor
) -> Customer:
    """From the next call on; what was used this month counts. None: as many as the plan has."""
    authorise(by, Permission.BILLING_PRICE_MANAGE, None)
    _check(monthly_calls, calls_per_minute)
    found = Customer.objects.select_for_update().filter(id=customer.pk).first()
    if found is None:
        raise NotFound
    asked = {"monthly_calls": monthly_calls, "calls_per_minute": calls_per_minute}
    before = {name: getattr(found, name) for name in asked if getattr(found, name) != asked[name]}
    if not before:
        return found
    after = {name: asked[name] for name in before}
    Customer.objects.filter(id=found.pk).update(**after)
    if "monthly_calls" in after:
        CustomerCounter.objects.filter(customer=found, month=this_month()).update(warned=0)
    subject = ("customer", found.pk, found.name)
    told = {"after": after, "before": before}
    record(EventKind.LIMIT_CHANGED, actor=by, subject=subject, customer_id=found.pk, body=told)
    found.monthly_calls, found.calls_per_minute = monthly_calls, calls_per_minute
    return found


def _check(monthly_calls: int | None, calls_per_minute: int | None) -> None:
    if monthly_calls is not None and not 0 <= monthly_calls <= MOST_CALLS:
        raise Invalid(f"A limit is a number of calls up to {MOST_CALLS:,}, or nothing.", field="monthly_calls")
    if calls_per_minute is not None and not 1 <= calls_per_minute <= MOST_A_MINUTE:
        message = f"Calls a minute are 1 to {MOST_A_MINUTE:,}, or nothing."
        raise Invalid(message, field="calls_per_minute")
