"""Connections for tests, made by the services that people use."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from audit.actors import Actor, ActorKind
from connectors.health import Checkup
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from tests.connectors.vendor import StubVendor
from tests.factories import TenantWorld, make_tenant

ALICE = Actor(ActorKind.USER, UUID(int=1), "alice@acme.example")
CLIENTS = (11, 12, 13)


@dataclass
class ConnectedWorld:
    """A tenant whose three customers are the stub's clients 11, 12 and 13."""

    tenant: TenantWorld
    instance: ConnectorInstance
    mappings: list[CustomerMapping]
    secret: str
    client_id: str
    extra: dict[str, Any] = field(default_factory=dict)

    def call(
        self, tool: str = "list_tickets", arguments: dict[str, Any] | None = None, *, customer: int = 0
    ) -> ToolCall:
        with self.tenant.acting():
            return ToolCall.objects.create(
                principal_id=uuid4(),
                principal_kind="agent",
                principal_label="agent of alice",
                customer=self.tenant.customers[customer],
                instance=self.instance,
                connector="halopsa",
                tool=tool,
                arguments=arguments or {},
                state=ToolCall.State.RUNNING,
            )


def connect(
    vendor: StubVendor, *, name: str = "acme", secret: str = "", clients: tuple[int, ...] = CLIENTS
) -> ConnectedWorld:
    """Ready and active, on a credential of its own."""
    world = make_tenant(name)
    client_id, secret = vendor.account(*clients, secret=secret)
    with world.acting():
        instance = start_instance("halopsa", by=ALICE)
        settings = {"base_url": vendor.url, "client_id": client_id}
        instance = configure_instance(instance, settings=settings, secret={"client_secret": secret}, by=ALICE)
        instance = record_health(instance, Checkup("", "Signed in at the vendor."))
        instance = activate_instance(instance, by=ALICE)
        mappings = [
            map_customer(instance, customer=customer, external_id=str(client), by=ALICE)
            for customer, client in zip(world.customers, clients, strict=True)
        ]
    return ConnectedWorld(world, instance, mappings, secret, client_id)
