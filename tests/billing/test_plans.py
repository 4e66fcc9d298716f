"""Every state of the subscription can be told afterwards, and what was agreed is not changed."""

from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.kinds import EventKind
from audit.models import Event
from billing.models import PlanVersion, SubscriptionPeriod
from billing.plans import change_subscription, publish_plan, set_prices
from billing.pricing import overage
from billing.rollups import roll_up
from billing.selectors import price_list_at, subscription_at
from billing.terms import ConnectorTerms, PlanTerms
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement, Subscription
from tests.billing.factories import BEN, use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant

Status = Subscription.Status
HALO = {"halopsa": ConnectorTerms(100, overage_allowed=True, overage_price=Decimal("0.05"))}
MORE = HALO | {"hudu": ConnectorTerms(50)}


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant(entitled=False)


def publish(world: TenantWorld, terms: dict[str, ConnectorTerms] | None = None) -> PlanVersion:
    with world.acting():
        return publish_plan("team", terms or HALO, by=BEN)


def change(world: TenantWorld, plan: PlanVersion, status: Status = Status.ACTIVE) -> SubscriptionPeriod:
    with world.acting():
        return change_subscription(plan, status, by=BEN)


def entitled(world: TenantWorld) -> dict[str, int]:
    now = timezone.now()
    with world.acting():
        return {
            each.connector: each.included_calls
            for each in Entitlement.objects.all()
            if each.valid_until is None or each.valid_until > now
        }


def test_versions_count_on_and_the_snapshot_says_which_change_wrote_it(acme):
    first, second = publish(acme), publish(acme, MORE)
    change(acme, first)
    change(acme, second)

    assert [first.number, second.number] == [1, 2]
    assert entitled(acme) == {"halopsa": 100, "hudu": 50}
    with acme.acting():
        held = Subscription.objects.get()
    assert (held.plan, held.status, held.version) == ("team", "active", 2)


def test_what_another_plan_does_not_have_ends_and_can_come_back(acme):
    small, large = publish(acme), publish(acme, MORE)
    for plan, expected in ((large, {"halopsa", "hudu"}), (small, {"halopsa"}), (large, {"halopsa", "hudu"})):
        change(acme, plan)
        assert set(entitled(acme)) == expected


def test_every_state_of_before_can_be_told(acme):
    plan, moments = publish(acme), []
    states = [Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.SUSPENDED, Status.CANCELLED]
    for status in states:
        change(acme, plan, status)
        moments.append(timezone.now())

    with acme.acting():
        told = [subscription_at(moment) for moment in moments]
        open_rows = SubscriptionPeriod.objects.filter(valid_to=None).count()
        events = Event.objects.filter(kind=EventKind.SUBSCRIPTION_CHANGED).count()
        rows = list(SubscriptionPeriod.objects.order_by("version"))
    assert [each and each.status for each in told] == [state.value for state in states]
    assert (open_rows, events) == (1, len(states))
    assert all(before.valid_to == after.valid_from for before, after in pairwise(rows))


def test_a_change_that_changes_nothing_and_a_second_trial_are_refused(acme):
    plan = publish(acme)
    change(acme, plan)

    with pytest.raises(Conflict, match="already"):
        change(acme, plan)
    with pytest.raises(Conflict, match="trial"):
        change(acme, plan, Status.TRIALING)


@pytest.mark.parametrize("statement", ["UPDATE billing_planversion SET seats = 1", "DELETE FROM billing_planversion"])
def test_what_was_agreed_is_not_changed_by_anybody(acme, statement):
    change(acme, publish(acme))
    for role in ("app", "worker"):
        with as_role(role), pytest.raises(DatabaseError, match="permission denied"), acme.acting():
            connection.cursor().execute(statement)
    with as_role("app"), pytest.raises(DatabaseError, match="permission denied"), acme.acting(), transaction.atomic():
        SubscriptionPeriod.objects.update(status="cancelled")


def test_terms_that_are_none_are_refused():
    for told in ({}, {"included_calls": -1}, {"included_calls": 1, "overage_price": "x"}, {"included_calls": "many"}):
        with pytest.raises(Invalid):
            ConnectorTerms.from_json(told)


def test_calls_over_the_included_ones_cost_what_the_plan_says(acme):
    now = timezone.now()
    change(acme, publish(acme, MORE))
    use(acme, now, calls=130)
    use(acme, now, calls=60, connector="hudu")
    with as_role("worker"), acting_for(Context(acme.id)):
        roll_up(now)

    with acme.acting():
        found = {
            each.connector: (each.over, each.charge) for each in overage(now.date().replace(day=1), timezone.now())
        }
    assert found == {"halopsa": (30, Decimal("1.50")), "hudu": (10, None)}


def test_months_of_before_keep_their_prices(acme):
    with acme.acting():
        first = set_prices(free_assets=5, asset_price=Decimal("3.00"), by=BEN)
        second = set_prices(free_assets=2, asset_price=Decimal("4.50"), by=BEN)
        first.refresh_from_db()
    assert first.valid_to == second.valid_from


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seats", 0), ("retention_days", 34), ("isolation", "siloed"), ("currency", "eur"), ("free_assets", -1),
        ("weight", 0), ("weight", 5),
        ("asset_price", Decimal(-1)), ("asset_price", Decimal("0.001")),
    ],
)  # fmt: skip
def test_a_plan_promises_nothing_that_cannot_be_kept(acme, field, value):
    with acme.acting(), pytest.raises(Invalid) as refused:
        publish_plan("team", HALO, terms=PlanTerms(**{field: value}), by=BEN)
    assert refused.value.field in {field, "assets"}


def test_what_others_need_of_a_plan_is_in_the_snapshot_with_its_version(acme):
    with acme.acting():
        plan = publish_plan("team", HALO, terms=PlanTerms(seats=7, retention_days=90, weight=2), by=BEN)
    made = change(acme, plan)

    with acme.acting():
        held = Subscription.objects.get()
    assert (held.seats, held.retention_days, held.isolation, held.version) == (7, 90, "pooled", made.version)
    assert held.weight == 2


def test_the_plan_says_what_assets_cost_until_the_tenant_has_prices_of_its_own(acme):
    with acme.acting():
        assert (price_list_at(timezone.now()).free_assets, price_list_at(timezone.now()).asset_price) == (5, 3)
        terms = PlanTerms(free_assets=1, asset_price=Decimal("2.50"), currency="USD")
        change_subscription(publish_plan("team", HALO, terms=terms, by=BEN), Status.ACTIVE, by=BEN)
        of_plan = price_list_at(timezone.now())
        set_prices(free_assets=2, asset_price=Decimal("4.50"), by=BEN)
        own = price_list_at(timezone.now())
    assert (of_plan.free_assets, of_plan.asset_price, of_plan.currency) == (1, Decimal("2.50"), "USD")
    assert (own.free_assets, own.asset_price) == (2, Decimal("4.50"))


def test_every_term_of_before_can_be_told(acme):
    """Of each moment: the state, the plan's version, and every term of it."""
    moments = []
    for seats, status in ((3, Status.TRIALING), (5, Status.ACTIVE), (5, Status.PAST_DUE), (None, Status.CANCELLED)):
        with acme.acting():
            terms = PlanTerms(seats=seats, free_assets=seats or 0)
            change_subscription(publish_plan("team", HALO, terms=terms, by=BEN), status, by=BEN)
        moments.append((timezone.now(), status, seats))

    with acme.acting():
        for at, status, seats in moments:
            held = subscription_at(at)
            assert (held.status, held.plan_version.seats, held.plan_version.free_assets) == (status, seats, seats or 0)


@pytest.mark.parametrize(
    "told",
    [
        {"seats": "many"},
        {"retention_days": None},
        {"asset_price": "x"},
        {"assets": 3},
        {"free_assets": []},
        {"weight": "all"},
    ],
)
def test_terms_in_a_file_that_are_none_are_refused(told):
    with pytest.raises(Invalid):
        PlanTerms.from_json(told)
