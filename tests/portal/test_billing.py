"""Billing's rooms: figures that are those of the data, for those whose they are."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.kinds import EventKind
from audit.models import Event
from billing.models import ClosedMonth, PriceList
from billing.months import month_of
from billing.plans import change_subscription, publish_plan
from billing.rollups import roll_up
from billing.terms import ConnectorTerms
from identity.roles import Role
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.models import BilledQuantity, Customer, Subscription
from tests.billing.factories import BEN, manage, use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_machine, make_person

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
ROOMS = ("usage", "billing_plan", "billing_overview", "billing_exports")
QUERIES = {"usage": 14, "billing_plan": 13, "billing_overview": 12, "billing_exports": 9}


def rolled(world: TenantWorld) -> None:
    with as_role("worker"), acting_for(Context(world.id)):
        roll_up(timezone.now())


@pytest.fixture
def ben() -> Person:
    world = make_tenant()
    with world.acting():
        Customer.objects.update(created_at=NOW - timedelta(days=99))
        terms = {"halopsa": ConnectorTerms(4, overage_allowed=True, overage_price=Decimal("0.50"))}
        change_subscription(publish_plan("team", terms, by=BEN), Subscription.Status.ACTIVE, by=BEN)
    use(world, NOW, calls=5)
    use(world, NOW, calls=2, customer=world.customers[1])
    manage(world, world.customers[0], active=9)
    rolled(world)
    return make_person(world, Role.BILLING, name="ben")


def text(person: Person, room: str, **query: str) -> str:
    page = person.browser().get(reverse(f"portal:{room}"), query).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_usage_shows_what_was_counted_and_what_is_over_the_plan(ben: Person) -> None:
    page = text(ben, "usage")

    assert "7 of 4" in page
    assert "3 over: 1.50 EUR" in page
    assert re.search(rf"{ben.world.customers[0].name} 5 10 0", page)


def test_the_overview_shows_where_the_psa_bills_another_number(ben: Person) -> None:
    assert "PSA bills" not in text(ben, "billing_overview")
    with as_role("broker"), ben.world.acting():
        BilledQuantity.objects.create(
            source=uuid7(), customer=ben.world.customers[0], owner="1", product="DEVICE", quantity=7, read_at=NOW
        )

    assert f"{ben.world.customers[0].name} 9 7 Billed less +2 4 12.00" in text(ben, "billing_overview")
    line = ben.browser().get("/api/v1/billing-overview/").json()["customers"][0]
    assert (line["psa_billed"], line["psa_drift"], line["psa_state"]) == ("7.00", "2.00", "billed_less")


def test_overview_and_plan_show_theirs(ben: Person) -> None:
    overview, plan = text(ben, "billing_overview"), text(ben, "billing_plan")

    assert "12.00 EUR" in overview
    assert f"{ben.world.customers[0].name} 9 4 12.00" in overview
    assert "estimate" in overview
    assert "team v1" in plan
    assert "0.50 EUR each" in plan


def test_billing_sees_this_and_nothing_else(ben: Person) -> None:
    places = set(re.findall(r'href="(/[a-z/-]+)"', ben.browser().get("/").content.decode()))

    assert {reverse(f"portal:{room}") for room in ROOMS} <= places
    assert not {reverse(f"portal:{room}") for room in ("calls", "audit", "people", "connectors")} & places


def test_a_customers_people_see_its_usage_and_not_what_the_msp_pays(ben: Person) -> None:
    mine, other = ben.world.customers[:2]
    carol = make_person(ben.world, Role.CUSTOMER_VIEWER, name="carol", customer=other)
    page = text(carol, "usage")

    assert other.name in page
    assert mine.name not in page
    assert "of 4" not in page
    told = carol.browser().get("/api/v1/usage/").json()
    assert (told["calls"], told["overages"], [each["customer"] for each in told["customers"]]) == (
        2,
        [],
        [str(other.pk)],
    )
    assert carol.browser().get(reverse("portal:billing_overview")).status_code == 403


def test_a_customers_people_are_told_when_it_was_counted_and_that_a_month_is_closed(ben: Person) -> None:
    carol = make_person(ben.world, Role.CUSTOMER_VIEWER, name="carol", customer=ben.world.customers[1])
    with as_role("worker"), ben.world.acting():
        ClosedMonth.objects.create(month=MONTH, closed_at=NOW)

    told, of_all = (each.browser().get("/api/v1/usage/").json() for each in (carol, ben))
    assert told["closed"] is True
    assert told["as_of"] == of_all["as_of"]


def test_a_viewer_of_the_msp_sees_usage_without_money(ben: Person) -> None:
    vera = make_person(ben.world, Role.VIEWER, name="vera")

    assert "EUR" not in text(vera, "usage")


def test_the_price_list_is_changed_by_an_owner_on_record(ben: Person) -> None:
    olivia = make_person(ben.world, Role.OWNER, name="olivia")
    given = {"free_assets": "2", "asset_price": "4.50", "currency": "USD"}
    response = olivia.browser().post(reverse("portal:billing_prices"), given)

    assert response.status_code == 302
    assert "31.50 USD" in text(ben, "billing_overview")
    with ben.world.acting():
        assert PriceList.objects.get(valid_to=None).free_assets == 2
        assert Event.objects.get(kind=EventKind.PRICES_CHANGED).actor_id == olivia.id


@pytest.mark.parametrize(
    ("field", "value"), [("free_assets", "-1"), ("asset_price", "-1"), ("asset_price", "1.234"), ("currency", "eur")]
)
def test_prices_that_cannot_be_are_refused(field: str, value: str) -> None:
    olivia = make_person(make_tenant(), Role.OWNER)
    given = {"free_assets": "5", "asset_price": "3.00", "currency": "EUR"} | {field: value}

    assert olivia.browser().post(reverse("portal:billing_prices"), given).status_code == 422
    assert make_machine(olivia.world, Role.ADMIN).api().post("/api/v1/billing-prices/", given).status_code in {400, 403}


def test_the_api_says_what_the_pages_show(ben: Person) -> None:
    api = ben.browser()
    usage, overview, plan = (
        api.get(f"/api/v1/{name}/").json() for name in ("usage", "billing-overview", "billing-plan")
    )

    assert (usage["calls"], usage["overages"][0]["charge"]) == (7, "1.50")
    assert usage["days"] == [{"day": NOW.date().isoformat(), "calls": 7}]
    assert (overview["total"], overview["customers"][0]["billable_assets"]) == ("12.00", 4)
    assert (plan["results"][0]["plan"], plan["results"][0]["status"]) == ("team", "active")


@pytest.mark.parametrize("month", ["2026-13", "x", "1999-01", "2999-01"])
def test_a_month_that_cannot_be_meant_is_refused(ben: Person, month: str) -> None:
    for address in (reverse("portal:usage"), reverse("portal:billing_overview"), "/api/v1/usage/"):
        assert ben.browser().get(address, {"month": month}).status_code == 400


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_costs_the_same_for_few_customers_and_for_many(ben: Person, room: str) -> None:
    browser, counts = ben.browser(), []
    for number in range(3):
        with ben.world.acting():
            made = Customer.objects.create(name=f"More {number}", key=f"more-{number}")
        use(ben.world, NOW, customer=made)
        rolled(ben.world)
        browser.get(reverse("portal:billing_export"))
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse(f"portal:{room}")).status_code == 200
        counts.append(len(queries))

    assert counts == [QUERIES[room]] * 3


def test_forecast_goes_on_as_it_went() -> None:
    from msplex.portal.usage import _forecast  # noqa: PLC0415

    april = month_of(datetime(2026, 4, 1, tzinfo=UTC))
    assert _forecast(april, 100, datetime(2026, 4, 11, tzinfo=UTC)) == 300
    assert _forecast(april, 100, datetime(2026, 4, 1, 9, tzinfo=UTC)) is None
    assert _forecast(april, 100, datetime(2026, 5, 1, tzinfo=UTC)) is None
