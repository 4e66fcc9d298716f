"""Every question about connectors. The acting tenant is the manager's, the customers in scope are the database's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from connectors.catalogue import all_connectors
from connectors.contract import Connector
from connectors.models import ConnectorInstance, Credential, CustomerMapping, SealedSecret, ToolCall
from connectors.readiness import is_entitled
from tenants.models import Customer, Entitlement
from tenants.selectors import entitlements

_EARLIEST = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Offer:
    """A connector of the catalogue, as the acting tenant sees it."""

    connector: Connector
    entitlement: Entitlement | None
    entitled: bool


@dataclass(frozen=True, slots=True)
class CallToRun:
    call: ToolCall
    instance: ConnectorInstance
    mapping: CustomerMapping


def catalogue(now: datetime) -> list[Offer]:
    held = {entitlement.connector: entitlement for entitlement in entitlements()}
    return [
        Offer(entry, held.get(entry.key), is_entitled(entry.key, held.get(entry.key), now))
        for entry in all_connectors()
    ]


def entitlement_for(connector: str) -> Entitlement | None:
    return entitlements().filter(connector=connector).first()


def instances() -> QuerySet[ConnectorInstance]:
    return ConnectorInstance.objects.order_by("name", "id")


def instances_with_credentials() -> QuerySet[ConnectorInstance]:
    return instances().prefetch_related("credentials")


def instance_by_slug(slug: str) -> ConnectorInstance | None:
    return ConnectorInstance.objects.filter(slug=slug).first()


def mappings(instance: ConnectorInstance) -> QuerySet[CustomerMapping]:
    return CustomerMapping.objects.filter(instance=instance).select_related("customer").order_by("customer__name")


def mapping_for(instance: ConnectorInstance, customer: Customer | UUID) -> CustomerMapping | None:
    return CustomerMapping.objects.filter(instance=instance, customer=customer).first()


def unmapped_customers(instance: ConnectorInstance) -> QuerySet[Customer]:
    mapped = CustomerMapping.objects.filter(instance=instance).values("customer")
    return Customer.objects.filter(status=Customer.Status.ACTIVE).exclude(id__in=mapped).order_by("name")


def current_credential(instance: ConnectorInstance) -> Credential | None:
    return Credential.objects.filter(instance=instance).order_by("-version").first()


def sealed_secret(instance: ConnectorInstance) -> SealedSecret | None:
    """Of the current version. For the broker: no other role may read the table."""
    stored = SealedSecret.objects.select_related("credential").filter(credential__instance=instance)
    return stored.order_by("-credential__version").first()


def due_for_check(now: datetime) -> list[ConnectorInstance]:
    """Configured instances whose last check is an interval old. Drafts are checked too: activation waits for it."""
    overdue = Q()
    for entry in all_connectors():
        before = now - timedelta(seconds=entry.health_interval)
        overdue |= Q(connector=entry.key, checked__lte=before)
    configured = ConnectorInstance.objects.filter(configured_at__isnull=False).exclude(state="inactive")
    return list(configured.annotate(checked=Coalesce(F("health_checked_at"), _EARLIEST)).filter(overdue))


def tool_calls() -> QuerySet[ToolCall]:
    """Newest first: ids are in order of time."""
    return ToolCall.objects.select_related("customer", "instance").order_by("-id")


def call_to_run(call_id: UUID) -> CallToRun | None:
    """A call with all that running it needs; None if any of it is missing or out of scope."""
    call = ToolCall.objects.select_related("instance").filter(id=call_id).first()
    if call is None or call.instance is None or call.customer_id is None:
        return None
    mapping = mapping_for(call.instance, call.customer_id)
    return CallToRun(call, call.instance, mapping) if mapping else None
