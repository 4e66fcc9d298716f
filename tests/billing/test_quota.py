"""The last included call is had once, and what is given back is given back where it was taken."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError

from billing.models import QuotaCounter, UsageEvent
from billing.services import meter, meter_call, release_call, reserve_call
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import one, signed_transaction
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant


def entitlement(world: TenantWorld, **terms: object) -> Entitlement:
    with world.acting():
        Entitlement.objects.update(**terms)
        return Entitlement.objects.get()


def reserve(world: TenantWorld, terms: Entitlement) -> int | None:
    with acting_for(Context(world.id)), signed_transaction() as db:
        row = one(reserve_call(db, terms))
    return row and row[0]


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
    with acting_for(Context(acme.id)), signed_transaction() as db:
        one(release_call(db, "halopsa", last_month))

    with acme.acting():
        used = list(QuotaCounter.objects.order_by("month").values_list("used", flat=True))
    assert used == [2, 3]


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
