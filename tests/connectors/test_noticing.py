"""Whoever runs the MSP is told, once, that a connection's tools are off the list, and that they are back."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.models import Alert, Event
from connectors.models import ConnectorInstance, Credential, CustomerMapping, OwnCredential
from connectors.noticing import notice
from connectors.selectors import lifecycle_of
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TOOLS = ("connectors:instance:withdraw", "connectors:instance:recover")
ENDS = ("connectors:credential:warn", "connectors:credential:remind")


@pytest.fixture
def acme() -> TenantWorld:
    world = make_tenant("acme")
    with world.acting():
        ConnectorInstance.objects.create(
            connector="halopsa", slug="halo", name="Halo", state="active", configured_at=NOW, health="healthy",
            health_ok_at=NOW, health_checked_at=NOW,
        )  # fmt: skip
    return world


def change(world: TenantWorld, model: Any = ConnectorInstance, **values: Any) -> None:
    with world.acting():
        model.objects.update(**values)


def told(world: TenantWorld, now: datetime, kinds: tuple[str, ...] = TOOLS) -> list[tuple[str, str]]:
    """What is new in the log after the worker has looked."""
    with world.acting():
        before = set(Event.objects.values_list("pk", flat=True))
    with as_role("worker"), world.acting():
        notice(now)
    with world.acting():
        new = Event.objects.exclude(pk__in=before).filter(kind__in=kinds).order_by("id")
        return [(event.kind.rpartition(":")[2], json.loads(event.body).get("state", "")) for event in new]


def test_a_check_that_is_not_made_is_told_once_and_so_is_its_recovery(acme):
    later = NOW + timedelta(hours=1)

    assert told(acme, NOW) == []
    assert told(acme, later) == [("withdraw", "unhealthy")]
    assert told(acme, later + timedelta(minutes=1)) == []
    with acme.acting():
        [alert] = Alert.objects.all()
        assert (alert.kind, alert.severity, alert.instance_id) == (
            "connection_withdrawn", "high", ConnectorInstance.objects.get().pk,
        )  # fmt: skip
    change(acme, health_ok_at=later)
    assert told(acme, later) == [("recover", "active")]
    assert told(acme, later) == []


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"health": "failing"}, "unhealthy"),
        ({"health": "failing", "health_code": "vendor_unauthorized"}, "credential_expired"),
    ],
)
def test_a_failing_check_is_told_with_what_it_means(acme, values, state):
    change(acme, **values)

    assert told(acme, NOW) == [("withdraw", state)]


def test_an_entitlement_that_ends_is_told_and_its_renewal_brings_the_tools_back_by_itself(acme):
    change(acme, Entitlement, valid_until=NOW - timedelta(minutes=1))
    assert told(acme, NOW) == [("withdraw", "not_entitled")]
    change(acme, Entitlement, valid_until=None)

    assert told(acme, NOW) == [("recover", "active")]


@pytest.mark.parametrize("state", ["draft", "inactive"])
def test_what_people_have_not_switched_on_is_not_told_of_and_never_activates_itself(acme, state):
    change(acme, state=state, health="failing")
    assert told(acme, NOW) == []
    change(acme, health="healthy", health_ok_at=NOW)
    assert told(acme, NOW) == []

    with acme.acting():
        instance = ConnectorInstance.objects.get()
        assert instance.state == state
        assert lifecycle_of(instance, NOW).listed == "none"


def test_a_credential_that_ends_is_told_of_two_weeks_and_a_day_before(acme):
    with acme.acting():
        instance, ends = ConnectorInstance.objects.get(), (NOW + timedelta(days=20)).date()
        Credential.objects.create(instance=instance, version=1, digest="", created_by="t", expires_on=ends)

    def days_before(days: int) -> list[str]:
        return [kind for kind, _ in told(acme, NOW + timedelta(days=20 - days), ENDS)]

    assert [days_before(days) for days in (15, 14, 13, 2, 1, 0)] == [[], ["warn"], [], [], ["remind"], []]


def test_of_a_credential_that_was_replaced_nobody_is_told(acme):
    with acme.acting():
        instance = ConnectorInstance.objects.get()
        for version, ends in ((1, NOW.date()), (2, None)):
            Credential.objects.create(instance=instance, version=version, digest="", created_by="t", expires_on=ends)

    assert told(acme, NOW, ENDS) == []


def test_a_renewal_is_not_told_as_trouble_while_the_first_check_is_on_its_way(acme):
    """Nobody checks what is not in the plan, so what was known is too old by then."""
    later = NOW + timedelta(days=1)
    change(acme, Entitlement, valid_until=NOW)
    assert told(acme, NOW) == [("withdraw", "not_entitled")]
    change(acme, Entitlement, valid_until=None)
    assert told(acme, later) == []
    change(acme, health="failing", health_checked_at=later)
    assert told(acme, later) == [("withdraw", "unhealthy")]
    change(acme, health="healthy", health_ok_at=later)

    assert told(acme, later) == [("recover", "active")]


def test_of_a_credential_of_what_was_retired_nobody_is_told(acme):
    with acme.acting():
        instance = ConnectorInstance.objects.get()
        Credential.objects.create(instance=instance, version=1, digest="", created_by="t", expires_on=NOW.date())
    change(acme, state="retired")

    assert told(acme, NOW, ENDS) == []


# A customer's own credential --------------------------------------------------------------------------------------

OWN = ("connectors:own_credential:withdraw", "connectors:own_credential:recover")


@pytest.fixture
def owned(acme: TenantWorld) -> TenantWorld:
    """The first customer has one, which was checked lately."""
    with acme.acting():
        of = {"instance": ConnectorInstance.objects.get(), "customer": acme.customers[0]}
        mapping = CustomerMapping.objects.create(external_id="11", **of)
        Credential.objects.create(version=1, digest="", created_by="t", **of)
        seen = {"health": "healthy", "health_ok_at": NOW, "health_checked_at": NOW}
        OwnCredential.objects.create(mapping=mapping, stored_at=NOW, **of, **seen)
    return acme


def test_that_one_customers_tools_are_off_is_told_once_of_that_customer_and_so_is_its_recovery(owned):
    assert told(owned, NOW, TOOLS + OWN) == []
    change(owned, OwnCredential, health="failing", health_code="vendor_unauthorized")

    assert told(owned, NOW, TOOLS + OWN) == [("withdraw", "refused")]
    assert told(owned, NOW, TOOLS + OWN) == []
    with owned.acting():
        [alert] = Alert.objects.all()
        instance = ConnectorInstance.objects.get()
        assert (alert.kind, alert.severity, alert.customer_id, alert.instance_id) == (
            "own_credential_withdrawn", "high", owned.customers[0].pk, instance.pk,
        )  # fmt: skip
        assert lifecycle_of(instance, NOW).listed == "all"  # for everybody else
    change(owned, OwnCredential, health="healthy", health_code="")
    assert told(owned, NOW, TOOLS + OWN) == [("recover", "")]


@pytest.mark.parametrize(
    ("values", "later", "state"),
    [({"health_ok_at": NOW - timedelta(hours=2)}, timedelta(), "stale"), ({}, timedelta(minutes=59), "")],
)
def test_a_check_that_was_not_made_is_told_of_when_it_says_nothing_any_more(owned, values, later, state):
    change(owned, health_ok_at=NOW + later)
    if values:
        change(owned, OwnCredential, **values)

    assert told(owned, NOW + later, OWN) == ([("withdraw", state)] if state else [])


def test_while_it_is_checked_and_while_its_connection_is_off_nothing_is_told(owned):
    change(owned, OwnCredential, health="unknown", health_ok_at=None, health_checked_at=None, check_asked_at=NOW)
    assert told(owned, NOW, OWN) == []
    change(owned, OwnCredential, health="failing", health_checked_at=NOW)
    change(owned, health="failing")
    assert told(owned, NOW, OWN) == []  # the connection's alert says it


def test_the_end_of_a_customers_own_is_told_of_that_customer(owned):
    with owned.acting():
        Credential.objects.update(expires_on=(NOW + timedelta(days=14)).date())

    assert [kind for kind, _ in told(owned, NOW, ENDS)] == ["warn"]
    with owned.acting():
        assert Event.objects.get(kind=ENDS[0]).customer_id == owned.customers[0].pk


def test_of_one_that_was_removed_nobody_is_told(owned):
    with owned.acting():
        Credential.objects.update(expires_on=(NOW + timedelta(days=1)).date())
        OwnCredential.objects.all().delete()

    assert told(owned, NOW, ENDS + OWN) == []
