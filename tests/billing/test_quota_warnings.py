"""Somebody is told at 80 and at 100 per cent of a month's calls, once each."""

import pytest
from django.utils import timezone

from audit.alerts import AlertKind
from audit.kinds import EventKind
from audit.models import Alert, Event
from billing.models import CustomerCounter, QuotaCounter
from billing.months import this_month
from billing.quota import warn_of_quota
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer, Entitlement
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant


def told(world: TenantWorld, used: int) -> list[int]:
    """All that was told so far, after so many calls."""
    with world.acting():
        Entitlement.objects.update(included_calls=50)
        QuotaCounter.objects.update_or_create(connector="halopsa", month=this_month(), defaults={"used": used})
    for _ in range(2):
        with as_role("worker"), acting_for(Context(world.id)):
            warn_of_quota(timezone.now())
    with world.acting():
        return [each.facts["level"] for each in Event.objects.filter(kind=EventKind.QUOTA_WARNED).order_by("id")]


@pytest.mark.parametrize(
    ("used", "levels"), [((39,), []), ((40,), [80]), ((40, 49, 50, 90), [80, 100]), ((50, 40), [100])]
)
def test_each_level_is_told_once(used: tuple[int, ...], levels: list[int]) -> None:
    acme = make_tenant()

    assert [told(acme, each) for each in used][-1] == levels
    with acme.acting():
        assert Alert.objects.filter(kind=AlertKind.QUOTA_WARNING).count() == len(levels)


def test_a_customers_own_limit_is_told_of_with_its_name_and_only_where_there_is_one() -> None:
    acme = make_tenant()
    with acme.acting():
        for customer in acme.customers:
            CustomerCounter.objects.create(customer=customer, month=this_month(), used=9)
        Customer.objects.filter(id=acme.customers[0].pk).update(monthly_calls=10)
    for _ in range(2):
        with as_role("worker"), acting_for(Context(acme.id)):
            warn_of_quota(timezone.now())

    with acme.acting():
        event = Event.objects.get(kind=EventKind.QUOTA_WARNED)
    assert (event.customer_id, event.facts["customer"], event.facts["level"]) == (acme.customers[0].pk, "acme-1", 80)
