"""A customer's own credential at the stand-in for Hudu: given, opened, refused."""

from typing import Any

import pytest

from audit.actors import CallRef
from connectors.broker import Own, Purpose, open_secret
from connectors.errors import SecretRefused
from connectors.health import Checkup
from connectors.models import AdoptedSecret, Credential, OwnCredential, SealedSecret
from connectors.own_credentials import (
    record_own_health,
    store_own_credential,
)
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, events_of
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case
from tests.vendors.hudu import CASE
from tests.vendors.test_every_tool import connected

__all__ = ["connected"]
BIRCH = 1  # the customer that is the stub's client 12
FINE, GONE = Checkup("", "Fine."), Checkup("vendor_unauthorized", "x", permanent=True)


@pytest.fixture
def case() -> Case:
    return CASE


@pytest.fixture
def own(connected: ConnectedWorld, stub: StubVendor) -> str:
    """Birch's own key, which sees Birch alone; checked."""
    return give(connected, stub, BIRCH)


def give(world: ConnectedWorld, stub: StubVendor, customer: int, *clients: int, checked: bool = True) -> str:
    _, secret = stub.account(*(clients or (11 + customer,)))
    with as_role("app"), world.tenant.acting():
        store_own_credential(world.mappings[customer], secret={"api_key": secret}, by=ALICE)
        if checked:
            record_own_health(row_of(world, customer), FINE)
    return secret


def row_of(world: ConnectedWorld, customer: int = BIRCH) -> OwnCredential:
    return OwnCredential.objects.select_related("instance", "mapping").get(customer=world.tenant.customers[customer])


def opened(world: ConnectedWorld, customer: int = BIRCH, *, required: bool = False) -> str:
    mapping = world.mappings[customer]
    purpose = Purpose(ALICE, "tests", CallRef(None, world.instance.id), mapping.customer_id)
    own = Own(mapping.customer_id, mapping.external_id, required)
    with acting_for(Context(world.tenant.id)), open_secret(world.instance, purpose, own) as found:
        return found.secrets["api_key"].reveal_text()


def trouble(world: ConnectedWorld, customer: int = BIRCH) -> str:
    """Refused it is, and the alert says why. Nothing else was opened for it."""
    before = [len(events_of(world, f"connectors:credential:{what}")) for what in ("refuse", "open")]
    with pytest.raises(SecretRefused):
        opened(world, customer)
    after = [events_of(world, f"connectors:credential:{what}") for what in ("refuse", "open")]
    alerts = after[0][before[0] :]
    assert [body["alert"] for _, body in alerts] == [True]
    refused = str(alerts[0][1]["refused"])
    # What is only found by decrypting was put on the record as opened before; the secret of another never is.
    assert len(after[1]) - before[1] == int(
        refused in {"seal_broken", "unknown_key", "mapping_changed", "settings_changed"}
    )
    return refused


def kept_of(world: ConnectedWorld, customer: int = BIRCH) -> list[Any]:
    """Ciphertext of the customer, sealed or adopted."""
    with as_role("broker"), world.tenant.acting():
        of_it = {"credential__customer": world.tenant.customers[customer]}
        return [*SealedSecret.objects.filter(**of_it), *AdoptedSecret.objects.filter(**of_it)]


def of(world: ConnectedWorld, customer: int | None) -> Credential:
    whose = None if customer is None else world.tenant.customers[customer].pk
    with as_role("app"), world.tenant.acting():
        return Credential.objects.filter(customer=whose).order_by("-version")[0]
