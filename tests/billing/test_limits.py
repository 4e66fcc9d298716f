"""A customer's own limit of calls: who sets it, what it counts, and that it is on the record."""

import pytest
from django.urls import reverse

from audit.kinds import EventKind
from audit.models import Event
from billing.limits import MOST_CALLS, limit_customer, limits
from billing.models import CustomerCounter
from billing.months import month_before, this_month
from identity.errors import PermissionMissing
from identity.roles import Role
from tenants.errors import Invalid
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, make_person


@pytest.fixture
def acme() -> TenantWorld:
    """Its first customer has used something this month and more in the one before."""
    world = make_tenant()
    with world.acting():
        for month, used in ((this_month(), 5), (month_before(this_month()), 70)):
            CustomerCounter.objects.create(customer=world.customers[0], month=month, used=used, warned=80)
    return world


def test_a_limit_is_set_and_lifted_on_the_record_and_its_warnings_begin_anew(acme: TenantWorld) -> None:
    with acme.acting():
        customer = limits().get(id=acme.customers[0].pk)
        assert limit_customer(customer, monthly_calls=10, by=SETUP).monthly_calls == 10
        limit_customer(customer, monthly_calls=10, by=SETUP)  # as it is already
        limit_customer(customer, monthly_calls=None, by=SETUP)

        told = [each.facts for each in Event.objects.filter(kind=EventKind.LIMIT_CHANGED).order_by("id")]
        assert [(each["before"], each["after"]) for each in told] == [(None, 10), (10, None)]
        assert {each.warned for each in CustomerCounter.objects.filter(month=this_month())} == {0}
        assert customer.used == 5


@pytest.mark.parametrize("calls", [-1, MOST_CALLS + 1])
def test_a_limit_that_is_none_is_refused(acme: TenantWorld, calls: int) -> None:
    with acme.acting(), pytest.raises(Invalid, match="A limit is a number"):
        limit_customer(acme.customers[0], monthly_calls=calls, by=SETUP)


def test_billing_staff_see_limits_and_do_not_change_them(acme: TenantWorld) -> None:
    ben = make_person(acme, Role.BILLING)
    with acme.acting(), pytest.raises(PermissionMissing):
        limit_customer(acme.customers[0], monthly_calls=1, by=ben.actor)

    page = ben.browser().get(reverse("portal:billing_limits")).content.decode()
    assert ">5<" in page
    assert "the limit of" not in page


def test_the_page_and_the_api_change_the_same_limit(acme: TenantWorld) -> None:
    olivia, customer = make_person(acme, Role.OWNER), acme.customers[0]
    browser = olivia.browser()
    page = browser.post(reverse("portal:billing_limit", args=[customer.pk]), {"monthly_calls": "4"}, follow=True)
    assert "Used up" in page.content.decode()
    with acme.acting():
        assert Customer.objects.get(id=customer.pk).monthly_calls == 4

    url = reverse("api:billing-limit-detail", args=[customer.pk])
    answer = browser.put(url, {"monthly_calls": None}, "application/json")
    assert (answer.status_code, answer.json()["monthly_calls"], answer.json()["used"]) == (200, None, 5)
    assert browser.put(url, {"monthly_calls": "many"}, "application/json").status_code == 400
    assert browser.post(reverse("portal:billing_limit", args=[customer.pk]), {"monthly_calls": "-1"}).status_code == 422
