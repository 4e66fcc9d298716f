"""Storing a customer's own credential, moving it to another key, and its health."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors.adoption import adopt
from connectors.custody import credentials, key_state, standing
from connectors.health import Checkup, examine
from connectors.models import Credential, OwnCredential
from connectors.own_credentials import (
    enqueue_due_own_checks,
    record_own_health,
    remove_own_credential,
    request_own_check,
    require_own_credentials,
    store_own_credential,
)
from connectors.own_state import CHECK_EVERY, FRESH, OwnState
from connectors.rekeying import move_rows
from connectors.selectors import own_credentials
from connectors.upkeep import start_rekey
from tenants.errors import DomainError
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, events_of
from tests.connectors.vendor import StubVendor
from tests.vendors import halopsa
from tests.vendors.case import connected_to
from tests.vendors.owning import BIRCH, FINE, GONE, case, give, kept_of, opened, own, row_of
from tests.vendors.test_every_tool import connected

__all__ = ["case", "connected", "own"]
pytestmark = pytest.mark.usefixtures("broker")


def test_it_is_stored_once_on_the_record_of_its_customer(connected: ConnectedWorld, own: str) -> None:
    *_, (header, body) = events_of(connected, "connectors:credential:store")
    birch = connected.tenant.customers[BIRCH]

    assert (header["customer"], body["version"]) == (str(birch.pk), 1)
    assert own not in json.dumps([header, body])
    assert bytes(next(iter(kept_of(connected))).sealed).find(own.encode()) == -1


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ({}, "secret_required"),
        ({"api_key": ""}, "secret_required"),
        ({"base_url": "https://x.example"}, "secret_required"),
    ],
)
def test_without_a_secret_nothing_is_stored(connected: ConnectedWorld, secret: dict[str, str], code: str) -> None:
    with as_role("app"), connected.tenant.acting():
        with pytest.raises(DomainError) as caught:
            store_own_credential(connected.mappings[BIRCH], secret=secret, by=ALICE)
        assert not OwnCredential.objects.exists()

    assert caught.value.code == code


def test_a_vendor_without_fences_takes_none(stubs: Callable[[str], str]) -> None:
    with as_role("app"):
        world = connected_to(halopsa.CASE, StubVendor(stubs(halopsa.CASE.module)))
        with world.tenant.acting():
            for refused in (
                lambda: store_own_credential(world.mappings[0], secret={"client_secret": "x" * 20}, by=ALICE),
                lambda: require_own_credentials(world.instance, only=True, by=ALICE),
            ):
                with pytest.raises(DomainError) as caught:
                    refused()
                assert caught.value.code == "no_own_credentials"


@pytest.mark.parametrize("do", [remove_own_credential, request_own_check])
def test_what_is_not_there_is_neither_removed_nor_checked(connected: ConnectedWorld, do: Callable[..., None]) -> None:
    with as_role("app"), connected.tenant.acting(), pytest.raises(DomainError) as caught:
        do(connected.mappings[BIRCH], by=ALICE)

    assert caught.value.code == "no_own_credential"


# Keys -------------------------------------------------------------------------------------------------------------


def test_a_rekeying_moves_it_and_an_emergency_lists_it(connected: ConnectedWorld, own: str) -> None:
    from connectors.registry import Mode, Order  # noqa: PLC0415

    opened(connected), opened(connected, 0)
    now = timezone.now()
    start_rekey(Order(Mode.REWRAP, "leaked", "tests", deadline=now + timedelta(days=3)), now)
    with acting_for(Context(connected.tenant.id)):
        assert move_rows(until=float("inf"), rest=0)

    assert opened(connected) == own
    with as_role("app"), connected.tenant.acting():
        keys = key_state()
        listed = {each.customer_id: standing(each, keys, now) for each in credentials()}
    assert listed.keys() == {None, connected.tenant.customers[BIRCH].pk}
    assert [each.change_by for each in listed.values()] == [keys.emergency.deadline] * 2 if keys.emergency else False


def test_the_first_to_be_adopted_leaves_what_others_have_sealed(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    third = give(connected, stub, 2)

    with acting_for(Context(connected.tenant.id)):
        assert adopt(connected.instance) == ""

    assert (opened(connected), opened(connected, 2)) == (own, third)


# Health -----------------------------------------------------------------------------------------------------------


def state(world: ConnectedWorld, customer: int = BIRCH, *, later: timedelta = timedelta()) -> OwnState:
    with as_role("app"), world.tenant.acting():
        kept = own_credentials()[world.instance.pk, world.tenant.customers[customer].pk]
        return kept.state(timezone.now() + later)


def test_it_is_not_used_before_a_check_has_gone_well(connected: ConnectedWorld, stub: StubVendor) -> None:
    give(connected, stub, BIRCH, checked=False)
    assert state(connected) is OwnState.CHECKING

    with as_role("app"), connected.tenant.acting():
        own = row_of(connected)
    with acting_for(Context(connected.tenant.id)):
        seen = examine(own.instance, own.mapping)
        record_own_health(own, seen)

    assert (seen.code, state(connected)) == ("", OwnState.IN_ORDER)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([GONE], OwnState.REFUSED),
        ([Checkup("vendor_fault", "x")], OwnState.IN_ORDER),  # a hiccup, while the last good check is fresh
        ([Checkup("vendor_fault", "x")] * 3, OwnState.FAILING),
        ([GONE, FINE], OwnState.IN_ORDER),
    ],
)
def test_what_the_checks_say_is_its_state(
    connected: ConnectedWorld, own: str, seen: list[Checkup], expected: OwnState
) -> None:
    for each in seen:
        with as_role("app"), connected.tenant.acting():
            record_own_health(row_of(connected), each)

    assert state(connected) is expected


def test_too_old_a_check_and_a_day_that_is_over_are_no_good(connected: ConnectedWorld, own: str) -> None:
    assert state(connected, later=FRESH - timedelta(minutes=1)) is OwnState.IN_ORDER
    assert state(connected, later=FRESH + timedelta(minutes=1)) is OwnState.STALE
    with as_role("app"), connected.tenant.acting():
        Credential.objects.filter(customer__isnull=False).update(expires_on=timezone.now().date())
    assert state(connected) is OwnState.IN_ORDER
    assert state(connected, later=timedelta(days=1)) is OwnState.EXPIRED


def test_a_check_of_what_was_replaced_meanwhile_says_nothing(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    with as_role("app"), connected.tenant.acting():
        before = row_of(connected)
    give(connected, stub, BIRCH, checked=False)

    with as_role("app"), connected.tenant.acting():
        assert record_own_health(before, FINE) is None
        assert row_of(connected).health == "unknown"


def test_checks_are_spread_and_come_by_schedule(
    connected: ConnectedWorld, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("connectors.own_credentials.check_own_credential.delay", sent.append)

    def due(later: timedelta) -> int:
        sent.clear()
        with as_role("worker"), acting_for(Context(connected.tenant.id)):
            assert enqueue_due_own_checks(timezone.now() + later) == len(sent)
        return len(sent)

    assert [due(later) for later in (timedelta(), CHECK_EVERY * 0.9, CHECK_EVERY * 1.25)] == [0, 0, 1]
    with as_role("app"), connected.tenant.acting():
        record_own_health(row_of(connected), GONE)
    assert due(timedelta(minutes=7)) == 1  # sooner, after a failure
    with as_role("app"), connected.tenant.acting():
        type(connected.instance).objects.update(state="inactive")
    assert due(CHECK_EVERY * 2) == 0
