"""The end of a customer's own credential: destroyed for good, and nothing else is used in its place."""

from collections.abc import Callable

import pytest

from connectors.adoption import adopt
from connectors.models import Credential, CustomerMapping, OwnCredential
from connectors.own_credentials import (
    remove_own_credential,
)
from connectors.retiring import retire_instance
from connectors.services import configure_instance, map_customer, unmap_customer
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, events_of
from tests.connectors.test_adoption import administrator, rows
from tests.connectors.vendor import StubVendor
from tests.vendors.owning import BIRCH, case, give, kept_of, of, opened, own, row_of, trouble
from tests.vendors.test_every_tool import connected

__all__ = ["case", "connected", "own"]
pytestmark = pytest.mark.usefixtures("broker")


def _remove(world: ConnectedWorld) -> None:
    remove_own_credential(world.mappings[BIRCH], by=ALICE)


def _unmap(world: ConnectedWorld) -> None:
    unmap_customer(world.mappings[BIRCH], by=ALICE)


def _map_elsewhere(world: ConnectedWorld) -> None:
    map_customer(world.instance, customer=world.tenant.customers[BIRCH], external_id="77", by=ALICE)


def _retire(world: ConnectedWorld) -> None:
    retire_instance(world.instance, by=ALICE)


@pytest.mark.parametrize("end", [_remove, _unmap, _map_elsewhere, _retire])
@pytest.mark.parametrize("adopted", [True, False])
def test_its_end_destroys_what_is_sealed_of_this_customer_alone(
    connected: ConnectedWorld, stub: StubVendor, own: str, end: Callable[[ConnectedWorld], None], *, adopted: bool
) -> None:
    give(connected, stub, 2)
    if adopted:
        opened(connected), opened(connected, 2)
    assert len(kept_of(connected)) == 1

    with as_role("app"), connected.tenant.acting():
        end(connected)
        assert not OwnCredential.objects.filter(customer=connected.tenant.customers[BIRCH]).exists()
        assert Credential.objects.filter(customer=connected.tenant.customers[BIRCH]).count() == 1  # who stored it stays

    assert kept_of(connected) == []
    retired = end is _retire
    assert (len(kept_of(connected, 2)), len(rows(connected, OwnCredential))) == ((0, 0) if retired else (1, 1))
    assert len(events_of(connected, "connectors:credential:remove")) == (0 if retired else 1)


def test_what_a_statement_alone_does_destroys_it_too(connected: ConnectedWorld, own: str) -> None:
    """The database does it, whatever the service forgets. The log knows nothing of it, so nothing else is used."""
    with as_role("app"), connected.tenant.acting():
        CustomerMapping.objects.filter(pk=connected.mappings[BIRCH].pk).delete()
        again = map_customer(connected.instance, customer=connected.tenant.customers[BIRCH], external_id="12", by=ALICE)
    connected.mappings[BIRCH] = again

    assert kept_of(connected) == []
    assert trouble(connected) in {"not_adopted", "unknown", "rolled_back"}


def test_another_client_for_the_mapping_by_a_statement_alone_destroys_it_too(
    connected: ConnectedWorld, own: str
) -> None:
    with as_role("app"), connected.tenant.acting():
        CustomerMapping.objects.filter(pk=connected.mappings[BIRCH].pk).update(external_id="99")

    assert kept_of(connected) == []
    assert not [
        each for each in rows(connected, OwnCredential) if each.customer_id == connected.tenant.customers[BIRCH].id
    ]


def test_after_its_removal_the_connections_is_used_and_a_new_one_counts_on(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    opened(connected)
    with as_role("app"), connected.tenant.acting():
        _remove(connected)

    assert opened(connected) == connected.secret

    newer = give(connected, stub, BIRCH)
    assert (opened(connected), of(connected, BIRCH).version) == (newer, 2)


def test_one_that_is_removed_while_it_is_taken_over_leaves_nothing_behind(
    connected: ConnectedWorld, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has read it and looked at the record; then a person removes it."""

    def removed_meanwhile(_events: object) -> None:
        with as_role("app"), connected.tenant.acting():
            _remove(connected)

    monkeypatch.setattr("connectors.adoption.await_seal", removed_meanwhile)

    with acting_for(Context(connected.tenant.id)):
        assert adopt(connected.instance, connected.tenant.customers[BIRCH].pk) == "removed"

    assert kept_of(connected) == []


def test_a_removed_one_is_not_put_back(connected: ConnectedWorld, own: str) -> None:
    opened(connected)
    old = administrator("SELECT * FROM connectors_adoptedsecret WHERE credential_id = %s", of(connected, BIRCH).pk)[0]
    with as_role("app"), connected.tenant.acting():
        _remove(connected)
    administrator(f"INSERT INTO connectors_adoptedsecret VALUES ({', '.join(['%s'] * len(old))})", *old)

    assert opened(connected) == connected.secret


def test_a_key_for_one_client_is_not_used_when_the_mapping_names_another(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    """Without the trigger, that is: what was sealed says for whom it is."""
    opened(connected)
    connected.mappings[BIRCH].external_id = "13"

    assert trouble(connected) == "mapping_changed"


def test_another_address_does_not_get_it(connected: ConnectedWorld, stub: StubVendor, own: str) -> None:
    opened(connected)
    with as_role("app"), connected.tenant.acting():
        connected.instance = configure_instance(
            connected.instance,
            settings={"base_url": "https://other.huducloud.com"},
            secret={"api_key": "x" * 20},
            by=ALICE,
        )
        assert row_of(connected).health == "unknown"

    assert trouble(connected) == "settings_changed"
