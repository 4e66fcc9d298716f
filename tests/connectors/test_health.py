"""Checks of a connection, what they say of its health, and what readiness makes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from connectors.health import Checkup
from connectors.models import ConnectorInstance
from connectors.readiness import readiness
from connectors.selectors import LATE, check_wait, due_for_check
from connectors.services import (
    check_health,
    configure_instance,
    enqueue_due_checks,
    record_health,
    request_health_check,
)
from connectors.tasks import check_instance, sweep_health
from tenants.errors import Conflict
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import TaskRefused, signed_context
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.connectors.factories import (
    ALICE,
    FINE,
    HICCUP,
    REFUSED,
    SECRET,
    SETTINGS,
    ConnectedWorld,
    bodies,
    configured,
    draft,
    kinds,
)
from tests.connectors.vendor import StubVendor
from tests.factories import make_tenant


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    ("checks", "health"),
    [
        ([FINE], "healthy"),
        ([FINE, HICCUP], "degraded"),
        ([FINE, HICCUP, HICCUP], "degraded"),
        ([FINE, HICCUP, HICCUP, HICCUP], "failing"),
        ([FINE, REFUSED], "failing"),
        ([REFUSED, FINE], "healthy"),
        ([HICCUP, HICCUP, FINE, HICCUP], "degraded"),
    ],
)
def test_health_follows_the_checks(checks: list[Checkup], health: str) -> None:
    world = make_tenant()
    with world.acting():
        instance = configured(world)
        for seen in checks:
            instance = record_health(instance, seen)

    assert instance.health == health
    assert instance.health_checked_at is not None


@pytest.mark.usefixtures("sent")
def test_only_a_change_of_health_is_an_event() -> None:
    world = make_tenant()
    with world.acting():
        instance = configured(world)
        for seen in (FINE, FINE, REFUSED, REFUSED, FINE):
            instance = record_health(instance, seen)

    changes = [(body["before"], body["after"]) for body in bodies(world, "connectors:instance:health")]
    assert changes == [("unknown", "healthy"), ("healthy", "failing"), ("failing", "healthy")]


@pytest.mark.usefixtures("sent")
def test_a_check_of_replaced_settings_says_nothing() -> None:
    world = make_tenant()
    with world.acting():
        old = configured(world)
        configure_instance(old, settings=SETTINGS, secret=SECRET, by=ALICE)

        assert record_health(old, FINE).health == "unknown"


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ready(**changes: Any) -> ConnectorInstance:
    fine = {
        "connector": "halopsa",
        "configured_at": NOW,
        "state": "active",
        "health": "healthy",
        "health_ok_at": NOW - timedelta(seconds=600),
    }
    return ConnectorInstance(tenant_id=None, **(fine | changes))


@pytest.mark.parametrize(
    ("changes", "entitlement", "missing"),
    [
        ({}, {}, ()),
        ({"health": "degraded"}, {}, ()),
        ({}, None, ("entitled",)),
        ({}, {"valid_until": NOW}, ("entitled",)),
        ({}, {"valid_until": NOW + timedelta(seconds=1)}, ()),
        ({}, {"connector": "hudu"}, ("entitled",)),
        ({"configured_at": None}, {}, ("configured",)),
        ({"health": "unknown"}, {}, ("healthy",)),
        ({"health": "failing"}, {}, ("healthy",)),
        ({"health_ok_at": None}, {}, ("healthy",)),
        ({"health_ok_at": NOW - timedelta(seconds=601)}, {}, ("healthy",)),
        ({"state": "draft"}, {}, ("active",)),
        ({"state": "inactive"}, {}, ("active",)),
        ({"connector": "gone"}, {"connector": "gone"}, ("entitled", "healthy")),
    ],
)
def test_readiness_names_what_is_missing(changes: dict[str, Any], entitlement: Any, missing: tuple[str, ...]) -> None:
    held = None
    if entitlement is not None:
        held = Entitlement(tenant_id=None, **({"connector": "halopsa", "included_calls": 1} | entitlement))

    found = readiness(ready(**changes), held, NOW)

    assert (found.missing, found.ready) == (missing, not missing)


def test_the_broker_checks_health_and_writes_it_down(
    connected: ConnectedWorld, vendor: StubVendor, broker: None
) -> None:
    for mode, health, detail in (
        ("500", "degraded", "The vendor answered with a server error."),
        ("forbidden", "failing", "The vendor refused this operation to the configured credential."),
        ("html", "failing", "The vendor answered with something other than JSON."),
        ("honest", "healthy", "Signed in at the vendor."),
    ):
        vendor.behave(mode)
        with acting_for(Context(connected.tenant.id)):
            check_health(connected.instance.id)
        with as_role("app"), connected.tenant.acting():
            connected.instance.refresh_from_db()
        assert (connected.instance.health, connected.instance.health_detail) == (health, detail)


def test_a_wrong_secret_is_found_by_the_first_check(vendor: StubVendor, broker: None, sent: list[Any]) -> None:
    with as_role("app"):
        world = make_tenant()
        client_id, _ = vendor.account(11)
        with world.acting():
            settings = {"base_url": vendor.url, "client_id": client_id}
            instance = configure_instance(draft(world), settings=settings, secret=SECRET, by=ALICE)

    with acting_for(Context(world.id)):
        check_health(instance.id)

    with as_role("app"), world.acting():
        instance.refresh_from_db()
    assert (instance.health, instance.health_failures) == ("failing", 1)


def test_only_the_broker_runs_the_check(connected: ConnectedWorld) -> None:
    with connected.tenant.acting(), pytest.raises(TaskRefused):
        check_instance._get_current_object().check_process()


def test_the_check_runs_for_the_tenant_that_its_message_is_signed_for(connected: ConnectedWorld, broker: None) -> None:
    task, arguments = check_instance._get_current_object(), [str(connected.instance.id)]
    with acting_for(Context(connected.tenant.id)):
        header = signed_context("connectors.check_instance", arguments, {})
    task.push_request(args=arguments, kwargs={}, msplex=header)
    try:
        task(*arguments)
    except TaskRefused:
        pytest.fail("the message was refused")
    finally:
        task.pop_request()

    with as_role("app"), connected.tenant.acting():
        connected.instance.refresh_from_db()
        assert connected.instance.health_detail == "Signed in at the vendor."


@pytest.mark.usefixtures("sent")
def test_asking_for_a_check_is_recorded(connected: ConnectedWorld) -> None:
    with connected.tenant.acting():
        request_health_check(connected.instance, by=ALICE)
        with pytest.raises(Conflict):
            request_health_check(draft(connected.tenant), by=ALICE)

    assert kinds(connected.tenant).count("connectors:instance:check") == 1


def test_due_are_configured_instances_an_interval_after_their_last_check(sent: list[Any]) -> None:
    world, now = make_tenant(), timezone.now()
    with world.acting():
        draft(world)
        never, fresh, old, off = (configured(world) for _ in range(4))
        for instance, age in ((fresh, 299), (old, 361), (off, 361)):
            ConnectorInstance.objects.filter(id=instance.id).update(health_checked_at=now - timedelta(seconds=age))
        ConnectorInstance.objects.filter(id=off.id).update(state="inactive")

        assert {instance.id for instance in due_for_check(now)} == {never.id, old.id}
    sent.clear()
    with acting_for(Context(world.id)):
        enqueue_due_checks(now)
    assert {args[0] for args, *_ in sent} == {str(never.id), str(old.id)}


def test_checks_are_spread_and_what_fails_is_asked_less_and_less_often() -> None:
    ids = {"connector": "halopsa", "tenant_id": uuid4()}
    waits = [check_wait(ConnectorInstance(**ids, id=uuid4(), health_checked_at=timezone.now())) for _ in range(200)]
    failing = [
        check_wait(ConnectorInstance(**ids, id=UUID(int=0), health_failures=failures)).total_seconds()
        for failures in (0, 3, 4, 5, 6, 7, 50)
    ]

    assert all(timedelta(seconds=300) <= wait <= timedelta(seconds=360) for wait in waits)
    assert max(waits) - min(waits) > timedelta(seconds=30)
    assert failing == [300, 300, 600, 1200, 2400, 3600, 3600]


def test_one_that_fails_waits_and_one_that_is_retired_is_not_checked_at_all(sent: list[Any]) -> None:
    world, now = make_tenant(), timezone.now()
    with world.acting():
        failing, gone = (configured(world) for _ in range(2))
        ConnectorInstance.objects.update(health_checked_at=now - timedelta(minutes=10))
        ConnectorInstance.objects.filter(id=failing.id).update(health_failures=20)
        ConnectorInstance.objects.filter(id=gone.id).update(state="retired", check_asked_at=now - timedelta(minutes=5))

        assert due_for_check(now) == []
        assert due_for_check(now + timedelta(hours=1)) == [failing]


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("state", ["active", "draft", "inactive"])
def test_a_check_that_was_asked_for_and_did_not_come_is_due_until_it_was_made(state: str) -> None:
    world, soon = make_tenant(), timezone.now() + LATE + timedelta(seconds=1)
    with world.acting():
        instance = record_health(configured(world), FINE)
        ConnectorInstance.objects.update(state=state)
        assert due_for_check(soon) == []
        request_health_check(instance, by=ALICE)

        assert due_for_check(timezone.now()) == []  # its message is on the way
        assert due_for_check(soon) == [instance]
        record_health(instance, FINE)
        assert due_for_check(soon) == []


def test_the_sweep_goes_through_every_active_tenant(sent: list[Any], settings: Any) -> None:
    worlds = [make_tenant(), make_tenant()]
    expected = set()
    for world in worlds:
        with world.acting():
            expected.add(str(configured(world).id))
    sent.clear()

    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        sweep_health()

    assert expected <= {args[0] for args, *_ in sent}
