"""Everything a decision reads of a tenant, as of one revision of it, as far as the context's customers reach."""

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from threading import Lock
from uuid import UUID

from django.db import transaction

from approvals.models import ToolRule
from approvals.policy import Rule
from connectors import catalogue
from connectors.contract import Connector, Tool
from connectors.lifecycle import Lifecycle, lifecycle
from connectors.models import ConnectorInstance, Credential, CustomerMapping, ImportedTool
from connectors.offering import tools_of
from connectors.own_state import Owned
from connectors.pauses import pauses
from connectors.selectors import newest_credentials, own_credentials
from tenants.isolation.context import Context, acting_for, current
from tenants.models import Customer, Entitlement, Subscription, Tenant
from tenants.selectors import revision

CACHED = 4096  # snapshots a process keeps; the least recently used goes first
LOADING, LOADING_SECONDS = 64, 1.0


@dataclasses.dataclass(frozen=True)
class OfferedTool:
    """A tool as one instance offers it: `name` is what an agent calls."""

    name: str
    instance: ConnectorInstance
    connector: Connector
    tool: Tool

    @cached_property
    def taken(self) -> Mapping[str, bool]:
        """Its arguments, and whether they are required."""
        required = self.tool.input_schema.get("required", ())
        return {name: name in required for name in self.tool.input_schema.get("properties", {})}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    tenant: Tenant
    revision: int
    subscription: Subscription | None
    entitlements: Mapping[str, Entitlement]
    instances: tuple[ConnectorInstance, ...]
    customers: Mapping[UUID, Customer]
    mapped: frozenset[tuple[UUID, UUID]]  # (instance, customer)
    rules: tuple[Rule, ...] = ()  # those that are switched on, in the order in which they are asked
    paused: frozenset[UUID] = frozenset()  # instances whose risky tools wait for a person
    imported: tuple[ImportedTool, ...] = ()  # that are exposed
    suspended: frozenset[tuple[UUID, str]] = frozenset()  # (instance, tool) that wait for one, whatever they do
    credentials: Mapping[UUID, Credential] = dataclasses.field(default_factory=dict)  # the current one of an instance
    own: Mapping[tuple[UUID, UUID], Owned] = dataclasses.field(
        default_factory=dict
    )  # (instance, customer) with its own

    @cached_property
    def tools(self) -> Mapping[str, OfferedTool]:
        """By name, in the order of the list."""
        offered = (
            OfferedTool(f"{instance.slug}_{tool.name}", instance, connector, tool)
            for instance in self.instances
            if (connector := catalogue.find(instance.connector))
            for tool in tools_of(instance, self.imported_by(instance))
        )
        return {tool.name: tool for tool in sorted(offered, key=lambda tool: tool.name)}

    def imported_by(self, instance: ConnectorInstance) -> list[ImportedTool]:
        return [row for row in self.imported if row.instance_id == instance.id]

    def lifecycle_of(self, instance: ConnectorInstance, now: datetime) -> Lifecycle:
        """A list asks for each tool of a connection, all at one moment: the answer of that moment is kept."""
        moment, found = self._lifecycles.get(instance.id, (None, None))
        if found is None or moment != now:
            found = lifecycle(
                instance,
                entitlement=self.entitlements.get(instance.connector),
                paused=instance.id in self.paused,
                credential=self.credentials.get(instance.id),
                now=now,
            )
            self._lifecycles[instance.id] = now, found
        return found

    @cached_property
    def _lifecycles(self) -> dict[UUID, tuple[datetime, Lifecycle]]:
        return {}

    @cached_property
    def mapped_customers(self) -> Mapping[UUID, list[UUID]]:
        """For each instance, the active customers that are mapped on it."""
        found: dict[UUID, list[UUID]] = {}
        for instance, customer in sorted(self.mapped):
            if self.customers[customer].status == Customer.Status.ACTIVE:
                found.setdefault(instance, []).append(customer)
        return found

    @cached_property
    def own_customers(self) -> Mapping[UUID, list[UUID]]:
        """For each instance, the active customers that are mapped on it and have a credential of their own."""
        with_own = {
            instance: [customer for customer in customers if (instance, customer) in self.own]
            for instance, customers in self.mapped_customers.items()
        }
        return {instance: customers for instance, customers in with_own.items() if customers}

    @cached_property
    def ruled_customers(self) -> frozenset[UUID]:
        """Those that a rule names: to the policy they are not like the others."""
        return frozenset(rule.customer_id for rule in self.rules if rule.customer_id)

    @cached_property
    def _customers_by_name(self) -> Mapping[str, Customer]:
        """By id as it is usually written, and by key; a key that looks like an id is a key."""
        named = {str(customer.id): customer for customer in self.customers.values()}
        return named | {customer.key: customer for customer in self.customers.values()}

    def customer_named(self, name: str) -> Customer | None:
        """By key or by id, among those in scope."""
        found = self._customers_by_name.get(name)
        try:
            return found or self.customers.get(UUID(name))
        except ValueError:
            return None


class _Cache:
    """`loading`: so that of the threads that need one at the same moment one makes it, and not each of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loading = [Lock() for _ in range(LOADING)]
        self._kept: OrderedDict[tuple[UUID, tuple[UUID, ...] | None], Snapshot] = OrderedDict()

    def get(self, context: Context, number: int) -> Snapshot | None:
        key = (context.tenant, context.customers)
        with self._lock:
            snapshot = self._kept.get(key)
            if snapshot is None or snapshot.revision != number:
                return None
            self._kept.move_to_end(key)
            return snapshot

    def put(self, context: Context, snapshot: Snapshot) -> None:
        with self._lock:
            self._kept[context.tenant, context.customers] = snapshot
            while len(self._kept) > CACHED:
                self._kept.popitem(last=False)

    @contextmanager
    def loading(self, context: Context) -> Iterator[None]:
        """Not for long: if the one before is stuck, let the next try itself."""
        lock = self._loading[hash((context.tenant, context.customers)) % LOADING]
        held = lock.acquire(timeout=LOADING_SECONDS)
        try:
            yield
        finally:
            if held:
                lock.release()


_cache = _Cache()


def snapshot() -> Snapshot:
    """Of the acting tenant, in the open transaction. The revision is read each time, so a change holds at once."""
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    number = revision()
    found = _cache.get(context, number)
    if found is None:
        found = _load(number)
        _cache.put(context, found)
    return found


def snapshot_at(context: Context, number: int) -> Snapshot:
    """Of this context, at the revision that was just read; loaded, in a transaction of its own, if it is not kept."""
    found = _cache.get(context, number)
    if found is None:
        with _cache.loading(context):
            found = _cache.get(context, number) or _loaded(context)
    return found


def is_kept(context: Context, number: int) -> bool:
    """Whether `snapshot_at` has nothing to load."""
    return _cache.get(context, number) is not None


def _loaded(context: Context) -> Snapshot:
    with acting_for(context), transaction.atomic():
        return snapshot()


def _load(number: int) -> Snapshot:
    paused, suspended = pauses()
    return Snapshot(
        tenant=Tenant.objects.get(),
        revision=number,
        subscription=Subscription.objects.first(),
        entitlements={entitlement.connector: entitlement for entitlement in Entitlement.objects.all()},
        instances=tuple(ConnectorInstance.objects.exclude(state=ConnectorInstance.State.RETIRED).order_by("slug")),
        customers={customer.id: customer for customer in Customer.objects.order_by("key")},
        mapped=frozenset(CustomerMapping.objects.values_list("instance_id", "customer_id")),
        imported=tuple(ImportedTool.objects.filter(state=ImportedTool.State.EXPOSED)),
        paused=paused,
        suspended=suspended,
        credentials={credential.instance_id: credential for credential in newest_credentials()},
        own=own_credentials(),
        rules=tuple(Rule.of(row) for row in ToolRule.objects.filter(enabled=True).order_by("position")),
    )
