"""What the tests need to know about a vendor: how to connect to its stand-in, and one good call of every tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.health import Checkup
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from tenants.models import Entitlement
from tests.connectors.factories import ALICE, CLIENTS, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.factories import make_tenant

__all__ = ["Case", "connected_to"]
Arguments = Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """`calls`: for every tool, the arguments of a call that finds something of the client with this number.

    `settings` takes the address of the stand-in and the account's name; `secret` the account's secret.
    """

    connector: str
    settings: Callable[[str, str], dict[str, Any]]
    secret: Callable[[str], dict[str, str]]
    calls: Mapping[str, Arguments]
    external_id: Callable[[int], str] = str
    # What a mood is called for this vendor, where it is not what everybody calls it.
    faults: Mapping[str, str] = field(default_factory=dict)
    tells_domains: bool = True  # its list of clients has their web addresses

    @property
    def module(self) -> str:
        return f"connectors.vendors.{self.connector}.stub"


def connected_to(case: Case, vendor: StubVendor, clients: tuple[int, ...] = CLIENTS) -> ConnectedWorld:
    """A tenant whose three customers are the stub's clients 11, 12 and 13: ready and active."""
    world = make_tenant(entitled=False)
    account, secret = vendor.account(*clients)
    with world.acting():
        Entitlement.objects.create(connector=case.connector, included_calls=10_000, calls_per_minute=100_000)
        instance = start_instance(case.connector, by=ALICE)
        instance = configure_instance(
            instance, settings=case.settings(vendor.url, account), secret=case.secret(secret), by=ALICE
        )
        instance = activate_instance(record_health(instance, Checkup("", "Fine.")), by=ALICE)
        mappings = [
            map_customer(instance, customer=customer, external_id=case.external_id(client), by=ALICE)
            for customer, client in zip(world.customers, clients, strict=True)
        ]
    return ConnectedWorld(world, instance, mappings, secret, account)
