"""What is kept of the checks of a connection, and what people are shown of it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from connectors.checks import KEPT, SLICE, SLICES, SPAN, History, Slice, history
from connectors.health import Checkup
from connectors.models import ConnectorInstance, HealthCheck
from connectors.services import check_health, record_health
from msplex.portal.plots import HEIGHT, LEAST, STEP, plot
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import FINE, HICCUP, ConnectedWorld, configured, draft
from tests.connectors.test_api import api, session
from tests.connectors.vendor import StubVendor
from tests.factories import TenantWorld, make_tenant
from tests.tenants.furnishing import as_administrator

NOW = timezone.now()
MINUTE = timedelta(minutes=1)


def checked(world: TenantWorld, instance: ConnectorInstance, at: datetime, milliseconds: int, code: str = "") -> None:
    with as_administrator(), world.acting():
        made = HealthCheck.objects.create(instance=instance, milliseconds=milliseconds, code=code)
        HealthCheck.objects.filter(id=made.id).update(created_at=at)


def test_the_last_day_is_told_in_slices(sent: list[Any]) -> None:
    world = make_tenant()
    with world.acting():
        instance, other = (
            draft(world),
            ConnectorInstance.objects.create(connector="halopsa", slug="other", name="Other"),
        )
    for ago, milliseconds, code in (
        (SPAN + MINUTE, 9000, "vendor_fault"),  # too old
        (SPAN - MINUTE, 40, ""),
        (2 * MINUTE, 700, "vendor_timeout"),
        (MINUTE, 90, ""),
        (0 * MINUTE, 60, ""),
    ):
        checked(world, instance, NOW - ago, milliseconds, code)
    checked(world, other, NOW - MINUTE, 5000)

    with world.acting():
        seen = history(instance, NOW)

    assert (seen.checks, seen.failed, seen.median_milliseconds, seen.longest_milliseconds) == (4, 1, 90, 700)
    assert len(seen.slices) == SLICES
    assert seen.slices[0] == Slice(NOW - SPAN, 1, 0, 40)
    assert seen.slices[-1] == Slice(NOW - SLICE, 3, 1, 700)
    assert all(each.checks == 0 for each in seen.slices[1:-1])


def test_of_no_checks_there_are_no_figures() -> None:
    world = make_tenant()
    with world.acting():
        seen = history(draft(world), NOW)

    assert (seen.checks, seen.failed, seen.median_milliseconds, seen.longest_milliseconds) == (0, 0, None, None)
    assert (plot(seen).bars, plot(seen).width) == ([], SLICES * STEP)


def test_each_check_is_kept_with_how_long_it_took(connected: ConnectedWorld, vendor: StubVendor, broker: None) -> None:
    with as_role("app"), connected.tenant.acting():
        before = set(HealthCheck.objects.values_list("id", flat=True))
    for mode, delay in (("slow", 0.3), ("500", 0)):
        vendor.behave(mode, delay=delay)
        with acting_for(Context(connected.tenant.id)):
            check_health(connected.instance.id)

    with as_role("app"), connected.tenant.acting():
        slow, failed = HealthCheck.objects.exclude(id__in=before).order_by("id")
    assert slow.code == ""
    assert slow.milliseconds >= 300
    assert failed.code == "vendor_fault"


def test_a_check_of_settings_that_were_replaced_is_not_kept(sent: list[Any]) -> None:
    world = make_tenant()
    with world.acting():
        old = configured(world)
        record_health(old, HICCUP)
        old.configured_at = NOW - timedelta(days=1)
        record_health(old, FINE)

        assert list(HealthCheck.objects.values_list("code", flat=True)) == [HICCUP.code]


def test_a_week_is_kept(connected: ConnectedWorld, vendor: StubVendor, broker: None) -> None:
    with as_role("app"), connected.tenant.acting():
        other = ConnectorInstance.objects.create(connector="halopsa", slug="other", name="Other")
    checked(connected.tenant, connected.instance, timezone.now() - KEPT - MINUTE, 1111)
    checked(connected.tenant, connected.instance, timezone.now() - KEPT + MINUTE, 2222)
    checked(connected.tenant, other, timezone.now() - KEPT - MINUTE, 3333)

    with acting_for(Context(connected.tenant.id)):
        check_health(connected.instance.id)

    with as_role("app"), connected.tenant.acting():
        kept = set(HealthCheck.objects.values_list("milliseconds", flat=True))
    assert 1111 not in kept  # the connection that was checked forgets, and no other
    assert {2222, 3333} <= kept


def test_a_bar_is_as_high_as_its_longest_check_is_long() -> None:
    parts = [Slice(NOW, 0, 0, 0), Slice(NOW, 2, 0, 1), Slice(NOW, 1, 1, 500), Slice(NOW, 3, 0, 1000)]
    drawn = plot(History(tuple(parts), 6, 1, 250, 1000)).bars

    assert [(bar.x, bar.height, bar.y, bar.failed) for bar in drawn] == [
        (STEP, LEAST, HEIGHT - LEAST, False),
        (2 * STEP, HEIGHT // 2, HEIGHT // 2, True),
        (3 * STEP, HEIGHT, 0, False),
    ]


@pytest.mark.parametrize(
    ("parts", "heights"),
    [
        ([(0, 0)], [LEAST]),
        ([(100, 0), (50, 0), (9000, 1)], [HEIGHT, HEIGHT // 2, HEIGHT]),  # one that failed does not set the scale
        ([(9000, 1), (4500, 1)], [HEIGHT, HEIGHT // 2]),  # unless all did
    ],
)
def test_the_scale_is_that_of_what_went_well(parts: list[tuple[int, int]], heights: list[int]) -> None:
    slices = tuple(Slice(NOW, 1, failed, milliseconds) for milliseconds, failed in parts)
    seen = History(slices, len(parts), 0, 0, max(milliseconds for milliseconds, _ in parts))

    assert [bar.height for bar in plot(seen).bars] == heights


def test_the_api_tells_it_of_one_connection_and_not_of_each_in_a_list(connected: ConnectedWorld) -> None:
    with connected.tenant.acting():
        record_health(connected.instance, Checkup("vendor_timeout", "Slow.", milliseconds=1234))
    client = api(connected.tenant)

    one = client.get(f"/api/v1/connector-instances/{connected.instance.id}/").json()["checks"]
    listed = client.get("/api/v1/connector-instances/").json()["results"]

    assert (one["failed"], one["longest_milliseconds"], len(one["slices"])) == (1, 1234, SLICES)
    assert one["slices"][-1]["milliseconds"] == 1234
    assert [row["checks"] for row in listed] == [None]


def test_the_page_draws_it_and_says_it_in_words(connected: ConnectedWorld) -> None:
    with connected.tenant.acting():
        record_health(connected.instance, Checkup("vendor_timeout", "Slow.", milliseconds=1234))

    page = (
        session(connected.tenant)
        .get(reverse("portal:connector_instance", args=[connected.instance.id]))
        .content.decode()
    )

    assert "1 failed; the longest took 1234 ms" in page
    assert page.count('class="bar-bad"') == 1
