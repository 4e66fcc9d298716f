"""Whatever is recorded, late, again or in parts: each month has what belongs to it, and a closed one never changes."""

import os
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.actors import system
from audit.kinds import EventKind
from audit.services import record
from billing import tasks
from billing.gauges import sample_gauges
from billing.meters import COUNTERS, GAUGES, METERS, Kind, Meter
from billing.models import ClosedMonth, GaugeSample, RollupMark, UsageCorrection, UsageRollup
from billing.months import month_of
from billing.outward import report_outward
from billing.rollups import close_months, roll_up
from billing.selectors import corrections_by_meter, totals, totals_by_meter
from tenants import sweeping
from tenants.isolation.context import Context, acting_for
from tests.billing.factories import manage, use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant

APRIL = datetime(2026, 4, 10, 12, 30, tzinfo=UTC)
MONTH = month_of(APRIL)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


def rolled(world: TenantWorld, now: datetime) -> int:
    with as_role("worker"), acting_for(Context(world.id)):
        return roll_up(now)


def closed(world: TenantWorld, now: datetime) -> list[object]:
    with as_role("worker"), acting_for(Context(world.id)):
        return list(close_months(now))


def everything(world: TenantWorld) -> list[tuple[object, ...]]:
    with world.acting():
        columns = ("grain", "starts_at", "customer_id", "connector", "meter", "quantity")
        return sorted(UsageRollup.objects.values_list(*columns), key=repr)


def counted(world: TenantWorld, month: date = MONTH) -> dict[Meter, int]:
    with world.acting():
        return totals_by_meter(month)


def test_every_meter_is_declared_and_is_a_counter_or_a_gauge():
    assert set(METERS) == set(Meter) == set(COUNTERS) | set(GAUGES)
    for each in METERS.values():
        assert (each.kind is Kind.GAUGE) == (not each.column and not each.event)


def test_hours_and_days_are_sums_by_customer_and_connector(acme):
    use(acme, APRIL, calls=3)
    use(acme, APRIL + HOUR, calls=2, customer=acme.customers[1])
    use(acme, APRIL + DAY, calls=4, connector="hudu")
    rolled(acme, APRIL + 2 * DAY)

    with acme.acting():
        found = totals(MONTH)
    calls = {key: quantity for key, quantity in found.items() if key[1] == "tool_calls"}
    first, second = (each.pk for each in acme.customers[:2])
    assert calls == {
        (first, "tool_calls", "halopsa"): 3,
        (second, "tool_calls", "halopsa"): 2,
        (first, "tool_calls", "hudu"): 4,
    }
    assert counted(acme)[Meter.VENDOR_REQUESTS] == 18


def test_run_again_it_gives_the_same_and_in_parts_too(acme):
    other = make_tenant()
    for number in range(5):
        use(acme, APRIL + number * HOUR, calls=number + 1)
        rolled(acme, APRIL + number * HOUR + timedelta(minutes=5))
        use(other, APRIL + number * HOUR, calls=number + 1)
    before = everything(acme)
    with as_role("worker"), acme.acting():
        RollupMark.objects.update(upto=None)
    rolled(acme, APRIL + DAY)
    rolled(other, APRIL + DAY)

    assert everything(acme) == before
    assert counted(other) == counted(acme)


def test_what_was_rolled_up_costs_nothing_the_second_time(acme):
    use(acme, APRIL, calls=3)

    assert [rolled(acme, APRIL + DAY), rolled(acme, APRIL + DAY + HOUR)] == [1, 0]


def test_a_day_is_read_once_however_many_of_its_hours_are_made_anew(acme):
    """One statement for each hour read the whole month for each."""
    midnight, statements = APRIL.replace(hour=0, minute=5), []
    for hours in (1, 24):
        for number in range(hours):
            use(acme, midnight + number * HOUR)
        with as_role("worker"), acting_for(Context(acme.id)), CaptureQueriesContext(connection) as queries:
            assert roll_up(midnight + DAY) == hours
        statements.append(len(queries))
        midnight += 2 * DAY

    assert statements[0] == statements[1]
    assert counted(acme)[Meter.TOOL_CALLS] == 25


def test_what_is_late_lands_in_its_month_until_that_is_closed(acme):
    use(acme, APRIL, calls=3)
    rolled(acme, APRIL + HOUR)
    late = datetime(2026, 5, 30, tzinfo=UTC)
    use(acme, APRIL, calls=2, recorded_at=late)
    rolled(acme, late + HOUR)
    assert counted(acme)[Meter.TOOL_CALLS] == 5

    assert closed(acme, datetime(2026, 6, 5, 1, tzinfo=UTC)) == [MONTH]


def test_what_is_found_for_a_closed_month_is_a_correction_once(acme):
    use(acme, APRIL, calls=3)
    rolled(acme, APRIL + HOUR)
    june = datetime(2026, 6, 6, tzinfo=UTC)
    closed(acme, june)
    before = everything(acme)
    use(acme, APRIL, calls=2, recorded_at=june)
    for number in range(1, 4):
        rolled(acme, june + number * HOUR)
    with as_role("worker"), acme.acting():
        RollupMark.objects.update(upto=None)
    rolled(acme, june + DAY)

    with acme.acting():
        found = UsageCorrection.objects.filter(meter="tool_calls").values_list("month", "booked_in", "quantity")
        assert list(found) == [(MONTH, month_of(june), 2)]
        assert corrections_by_meter(month_of(june))[Meter.TOOL_CALLS] == 2
    assert [row for row in everything(acme) if "2026, 4" in repr(row[1])] == [
        row for row in before if "2026, 4" in repr(row[1])
    ]


def test_a_month_closes_thirty_five_days_after_its_end_and_once(acme):
    use(acme, APRIL)
    rolled(acme, APRIL + HOUR)

    assert closed(acme, datetime(2026, 6, 4, 23, tzinfo=UTC)) == []
    assert closed(acme, datetime(2026, 6, 5, tzinfo=UTC)) == [MONTH]
    assert closed(acme, datetime(2026, 6, 5, 1, tzinfo=UTC)) == []
    with acme.acting():
        assert ClosedMonth.objects.count() == 1


def test_a_gauge_is_its_peak_however_often_the_worker_begins_anew(acme):
    for number, value in enumerate((3, 9, 2)):
        at = APRIL + number * DAY
        with as_role("worker"), acme.acting():
            GaugeSample.objects.create(meter="seats", at=at, value=value)
        rolled(acme, at + HOUR)  # each run knows nothing but what is in the database

    assert counted(acme)[Meter.SEATS] == 9


def test_the_peak_of_the_tenant_is_not_the_sum_of_its_customers_peaks(acme):
    first, second = acme.customers[:2]
    for at, values in ((APRIL, (8, 1)), (APRIL + DAY, (1, 8))):
        with as_role("worker"), acme.acting():
            for customer, value in zip((first, second), values, strict=True):
                GaugeSample.objects.create(meter="active_assets", at=at, value=value, customer=customer)
            GaugeSample.objects.create(meter="active_assets", at=at, value=sum(values))
        rolled(acme, at + HOUR)

    assert counted(acme)[Meter.ACTIVE_ASSETS] == 9
    with acme.acting():
        assert totals(MONTH)[first.pk, "active_assets", ""] == 8


def test_what_is_sampled_is_there(acme):
    manage(acme, acme.customers[0], active=4, inactive=3)
    now = datetime.now(UTC)
    with as_role("worker"), acting_for(Context(acme.id)):
        sample_gauges(now, of_others={Meter.CONNECTOR_INSTANCES: 7})
        roll_up(now)

    with acme.acting():
        found = totals_by_meter(month_of(now))
        assert totals(month_of(now))[acme.customers[0].pk, "active_assets", ""] == 4
    assert {meter: found[meter] for meter in GAUGES} == {
        Meter.ACTIVE_ASSETS: 4, Meter.SEATS: 0, Meter.CONNECTOR_INSTANCES: 7, Meter.CUSTOMERS: 3,
    }  # fmt: skip


def test_packs_and_approvals_are_counted_from_the_log(acme):
    now = datetime.now(UTC)
    with acme.acting():
        for _ in range(3):
            record(EventKind.PACK_FINISHED, actor=system("tests"), customer_id=acme.customers[0].pk)
    rolled(acme, now)
    rolled(acme, now + timedelta(seconds=1))

    with acme.acting():
        assert totals_by_meter(month_of(now))[Meter.PACKS] == 3


def test_the_provider_reads_totals_of_meters_and_nothing_else(acme):
    now = datetime.now(UTC)
    use(acme, now, calls=3)
    with as_role("worker"), acting_for(Context(acme.id)):
        roll_up(now)
        report_outward(now)
        report_outward(now)

    with psycopg.connect(os.environ["MSPLEX_PROVIDER_DATABASE_URL"]) as provider:
        rows = provider.execute("SELECT meter, quantity FROM border.usage WHERE tenant_id = %s", [acme.id]).fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            provider.execute("SELECT border.report_usage(now()::date, 'x', 'x', 'x', 1, 1, false)")
    assert dict(rows)["tool_calls"] == 3
    assert len(rows) == len(METERS)


def test_the_scheduled_task_rolls_up_closes_and_reports(acme, monkeypatch, settings):
    """What beat sends is all that anybody does for it."""
    settings.MSPLEX_PROCESS = "worker"
    monkeypatch.setattr(sweeping, "_turn", lambda *_: [acme.id])
    now = datetime.now(UTC)
    use(acme, now, calls=3)
    use(acme, now - timedelta(days=100), calls=2, recorded_at=now - timedelta(days=99))
    with as_role("worker"):
        tasks.roll_up()

    assert counted(acme, month_of(now))[Meter.TOOL_CALLS] == 3
    with acme.acting():
        assert ClosedMonth.objects.filter(month=month_of(now - timedelta(days=100))).exists()
    with psycopg.connect(os.environ["MSPLEX_PROVIDER_DATABASE_URL"]) as provider:
        told = "SELECT quantity FROM border.usage WHERE tenant_id = %s AND meter = 'tool_calls' AND month = %s"
        assert provider.execute(told, [acme.id, month_of(now)]).fetchall() == [(3,)]
