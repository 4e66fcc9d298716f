"""Connections for tests, made by the services that people use."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from audit.actors import Actor, ActorKind, CallRef
from audit.kinds import EventKind
from audit.models import Event
from audit.services import record
from connectors.arguments import call_digest
from connectors.broker import Purpose, open_secret
from connectors.health import Checkup
from connectors.models import ConnectorInstance, CustomerMapping, ToolCall
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from msplex.recorded import as_recorded
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
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
                connector=self.instance.connector,
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


SETTINGS = {"base_url": "https://acme.halopsa.com", "client_id": "acme-app"}
SECRET = {"client_secret": "a-secret-of-acme-9f2c41"}
FINE, HICCUP, REFUSED = (
    Checkup("", "Fine."),
    Checkup("vendor_fault", "x"),
    Checkup("vendor_unauthorized", "x", permanent=True),
)


def draft(world: TenantWorld) -> ConnectorInstance:
    return start_instance("halopsa", by=ALICE)


def configured(world: TenantWorld) -> ConnectorInstance:
    return configure_instance(draft(world), settings=SETTINGS, secret=SECRET, by=ALICE)


def let_through(call: ToolCall, instance: ConnectorInstance, kind: EventKind = EventKind.CALL_INTENDED) -> ToolCall:
    """Writes a new call down with its record, as the gateway does. In the tenant's context."""
    call.arguments_digest = call_digest(f"{instance.slug}_{call.tool}", call.arguments)
    with transaction.atomic():
        call.save(force_insert=True)
        record(
            kind, actor=call.actor(), subject=("tool_call", call.id, call.tool),
            customer_id=call.customer_id, body=as_recorded(call), call=call.ref,
        )  # fmt: skip
    return call


def kinds(world: TenantWorld) -> list[str]:
    with world.acting():
        return list(Event.objects.order_by("id").values_list("kind", flat=True))


def bodies(world: TenantWorld, kind: str) -> list[dict[str, Any]]:
    with world.acting():
        return [json.loads(bytes(event.body or b"{}")) for event in Event.objects.filter(kind=kind).order_by("id")]


def now() -> datetime:
    return datetime.now(UTC)


def open_as_broker(world: ConnectedWorld) -> str:
    """The secret, as a call of the tenant gets it in the broker."""
    purpose = Purpose(ALICE, "tests", CallRef(None, world.instance.id))
    with acting_for(Context(world.tenant.id)), open_secret(world.instance, purpose) as found:
        return found.secrets["client_secret"].reveal_text()


def events_of(world: ConnectedWorld, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Header and body of each, oldest first."""
    with as_role("app"), world.tenant.acting():
        found = list(Event.objects.filter(kind=kind).order_by("id"))
    return [(json.loads(bytes(event.header)), json.loads(bytes(event.body or b"{}"))) for event in found]
