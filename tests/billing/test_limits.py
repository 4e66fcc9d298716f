"""A customer's own limit of calls: who sets it, what it counts, and that it is on the record."""

import pytest
from django.urls import reverse

from audit.kinds import EventKind
from audit.models import Event
from billing.limits import MOST_A_MINUTE, MOST_CALLS, limit_customer, limits
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
        assert limit_customer(customer, monthly_calls=10, calls_per_minute=None, by=SETUP).monthly_calls == 10
        limit_customer(customer, monthly_calls=10, calls_per_minute=None, by=SETUP)  # as it is already
        limit_customer(customer, monthly_calls=None, calls_per_minute=None, by=SETUP)

        assert changes() == [
            ({"monthly_calls": None}, {"monthly_calls": 10}),
            ({"monthly_calls": 10}, {"monthly_calls": None}),
        ]
        assert {each.warned for each in CustomerCounter.objects.filter(month=this_month())} == {0}
        assert customer.used == 5


def changes() -> list[tuple[object, object]]:
    told = [each.facts for each in Event.objects.filter(kind=EventKind.LIMIT_CHANGED).order_by("id")]
    return [(each["before"], each["after"]) for each in told]


def test_a_limit_of_a_minute_is_on_the_record_alone_and_warns_of_no_month_again(acme: TenantWorld) -> None:
    with acme.acting():
        limit_customer(acme.customers[0], monthly_calls=None, calls_per_minute=30, by=SETUP)

        assert Customer.objects.get(id=acme.customers[0].pk).calls_per_minute == 30
        assert changes() == [({"calls_per_minute": None}, {"calls_per_minute": 30})]
        assert {each.warned for each in CustomerCounter.objects.filter(month=this_month())} == {80}


@pytest.mark.parametrize(
    ("field", "calls"),
    [
        ("monthly_calls", -1),
        ("monthly_calls", MOST_CALLS + 1),
        ("calls_per_minute", 0),
        ("calls_per_minute", MOST_A_MINUTE + 1),
    ],
)
def test_a_limit_that_is_none_is_refused(acme: TenantWorld, field: str, calls: int) -> None:
    asked = {"monthly_calls": None, "calls_per_minute": None, field: calls}
    with acme.acting(), pytest.raises(Invalid) as refused:
        limit_customer(acme.customers[0], **asked, by=SETUP)
    assert refused.value.field == field


def test_billing_staff_see_limits_and_do_not_change_them(acme: TenantWorld) -> None:
    ben = make_person(acme, Role.BILLING)
    with acme.acting(), pytest.raises(PermissionMissing):
        limit_customer(acme.customers[0], monthly_calls=1, calls_per_minute=1, by=ben.actor)

    page = ben.browser().get(reverse("portal:billing_limits")).content.decode()
    assert ">5<" in page
    assert "the limits of" not in page


def test_the_page_and_the_api_change_the_same_limit(acme: TenantWorld) -> None:
    olivia, customer = make_person(acme, Role.OWNER), acme.customers[0]
    browser = olivia.browser()
    page = browser.post(
        reverse("portal:billing_limit", args=[customer.pk]),
        {"monthly_calls": "4", "calls_per_minute": "6"},
        follow=True,
    )
    assert "Used up" in page.content.decode()
    with acme.acting():
        kept = Customer.objects.get(id=customer.pk)
    assert (kept.monthly_calls, kept.calls_per_minute) == (4, 6)

    url = reverse("api:billing-limit-detail", args=[customer.pk])
    answer = browser.put(url, {"monthly_calls": None}, "application/json")
    assert (answer.status_code, answer.json()["monthly_calls"], answer.json()["used"]) == (200, None, 5)
    assert answer.json()["calls_per_minute"] == 6  # not said: as it was
    answer = browser.put(url, {"monthly_calls": 9, "calls_per_minute": None}, "application/json").json()
    assert (answer["monthly_calls"], answer["calls_per_minute"]) == (9, None)
    assert browser.put(url, {"monthly_calls": "many"}, "application/json").status_code == 400
    assert browser.put(url, {"monthly_calls": 9, "calls_per_minute": 0}, "application/json").status_code == 400
    assert browser.post(reverse("portal:billing_limit", args=[customer.pk]), {"monthly_calls": "-1"}).status_code == 422
