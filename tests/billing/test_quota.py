"""The last included call is had once, and what is given back is given back where it was taken."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError

from billing.models import CustomerCounter, QuotaCounter, UsageEvent
from billing.services import meter, meter_call, release_call, reserve_call
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import one, signed_transaction
from tenants.models import Customer, Entitlement
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant


def entitlement(world: TenantWorld, **terms: object) -> Entitlement:
    with world.acting():
        Entitlement.objects.update(**terms)
        return Entitlement.objects.get()


def reserve(world: TenantWorld, terms: Entitlement, customer: int = 0) -> int | None:
    """The number of the call in its month, or nothing when there is none left: of the plan, or of the customer."""
    with acting_for(Context(world.id)), suppress(ZeroDivisionError), signed_transaction() as db:
        row = one(reserve_call(db, terms, world.customers[customer]))
        if row is None or row[1] is None:
            raise ZeroDivisionError  # as the gateway does: nothing is written
        return int(row[0])
    return None


def test_many_at_once_get_what_is_included_and_no_more():
    acme = make_tenant()
    terms = entitlement(acme, included_calls=5)

    with ThreadPoolExecutor(64) as pool:
        numbers = list(pool.map(lambda _: reserve(acme, terms), range(128)))

    assert sorted(number for number in numbers if number) == [1, 2, 3, 4, 5]


def test_overage_goes_on_counting():
    acme = make_tenant()
    terms = entitlement(acme, included_calls=1, overage_allowed=True)

    assert [reserve(acme, terms) for _ in range(3)] == [1, 2, 3]


def test_nothing_included_is_nothing_had():
    acme = make_tenant()

    assert reserve(acme, entitlement(acme, included_calls=0)) is None


def test_a_reservation_goes_back_to_the_month_it_was_made_in():
    acme = make_tenant()
    now = datetime.now(UTC)
    last_month = now.replace(day=1) - timedelta(days=1)
    with acme.acting():
        for moment in (last_month, now):
            QuotaCounter.objects.create(connector="halopsa", month=moment.date().replace(day=1), used=3)
            CustomerCounter.objects.create(customer=acme.customers[0], month=moment.date().replace(day=1), used=2)
    with acting_for(Context(acme.id)), signed_transaction() as db:
        one(release_call(db, "halopsa", acme.customers[0].id, last_month))

    assert counted(acme) == ([2, 3], [1, 2])


def counted(world: TenantWorld) -> tuple[list[int], list[int]]:
    """Of the plan, and of the customers, by month."""
    with world.acting():
        return (
            list(QuotaCounter.objects.order_by("month").values_list("used", flat=True)),
            list(CustomerCounter.objects.order_by("month", "used").values_list("used", flat=True)),
        )


def limited(world: TenantWorld, customer: int, calls: int | None) -> None:
    with world.acting():
        Customer.objects.filter(id=world.customers[customer].pk).update(monthly_calls=calls)
    world.customers[customer].refresh_from_db()


def test_many_at_once_get_a_customers_share_and_no_more_and_another_customer_the_rest():
    acme = make_tenant()
    terms = entitlement(acme, included_calls=20)
    with acme.acting():
        limited(acme, 0, 7)

    with ThreadPoolExecutor(64) as pool:
        mine = list(pool.map(lambda _: reserve(acme, terms), range(128)))
        others = list(pool.map(lambda _: reserve(acme, terms, customer=1), range(64)))

    assert sorted(number for number in mine if number) == list(range(1, 8))
    assert sorted(number for number in others if number) == list(range(8, 21))
    assert counted(acme) == ([20], [7, 13])


def test_a_limit_that_is_set_late_counts_what_was_had_before_and_one_that_is_lifted_lets_go_on():
    acme = make_tenant()
    terms = entitlement(acme, included_calls=20)
    had = [reserve(acme, terms) for _ in range(3)]
    with acme.acting():
        limited(acme, 0, 3)
    refused = reserve(acme, terms)
    with acme.acting():
        limited(acme, 0, None)

    assert (had, refused, reserve(acme, terms)) == ([1, 2, 3], None, 4)


def test_a_customer_with_a_limit_of_nothing_has_nothing():
    acme = make_tenant()
    terms = entitlement(acme)
    with acme.acting():
        limited(acme, 0, 0)

    assert (reserve(acme, terms), reserve(acme, terms, customer=1)) == (None, 1)


def test_a_call_is_metered_once():
    acme = make_tenant()
    event = {
        "id": uuid7(),
        "customer": acme.customers[0],
        "occurred_at": datetime.now(UTC),
        "connector": "halopsa",
        "tool": "list_tickets",
        "principal_id": uuid7(),
    }
    with as_role("broker"), acting_for(Context(acme.id, (acme.customers[0].id,))):
        with signed_transaction() as db:
            one(meter_call(db, UsageEvent(**event)))
        with pytest.raises(DatabaseError, match="duplicate key"), signed_transaction() as db:
            meter_call(db, UsageEvent(**event))


def test_usage_that_comes_again_is_known_and_other_usage_of_the_same_call_is_refused():
    acme = make_tenant()
    now = datetime.now(UTC)
    event = {
        "id": uuid7(), "customer": acme.customers[0], "occurred_at": now, "connector": "halopsa",
        "tool": "list_tickets", "principal_id": uuid7(),
    }  # fmt: skip
    with as_role("broker"), acme.acting():
        assert [meter(UsageEvent(**event)), meter(UsageEvent(**event))] == [True, False]
        with pytest.raises(Conflict, match="other usage"):
            meter(UsageEvent(**event | {"quantity": 2}))
        with pytest.raises(Invalid, match="older than 35 days"):
            meter(UsageEvent(**event | {"id": uuid7(), "occurred_at": now - timedelta(days=36)}))
        assert UsageEvent.objects.count() == 1
