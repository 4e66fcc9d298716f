"""What may be mapped, and what is not true any more of what is mapped. Read from the tables; services change them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from audit.actors import Actor
from connectors.matching import Party, Suggestion, digest_of, plain_name, suggestions
from connectors.models import ClientList, ConnectorInstance, CustomerMapping, VendorClient
from connectors.selectors import unmapped_customers
from connectors.services import map_customer
from tenants.errors import Conflict
from tenants.models import Customer

AT_ONCE = 200  # sure ones that are mapped in one transaction; the rest remain suggested


class Drift(StrEnum):
    """`merged`: gone, and another client there has its name or domain. `renamed`: called otherwise than when mapped."""

    GONE = "gone"
    MERGED = "merged"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class Drifted:
    """`client`: as it is, or was, at the vendor. `successor`: who may have taken the place of one that is gone.
    `successor_customer`: whom that is mapped to already, if it is."""

    mapping: CustomerMapping
    drift: Drift
    client: VendorClient
    successor: VendorClient | None = None
    successor_customer: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A customer without a mapping, and the clients that it may be; none: a person has to know."""

    customer: Customer
    suggestion: Suggestion | None
    clients: tuple[VendorClient, ...]


@dataclass(frozen=True, slots=True)
class Proposals:
    """For every customer without a mapping: sure ones first, then likely, ambiguous, and those without any.

    `sure` are those that may be confirmed at once, with `digest` for exactly these.
    """

    rows: tuple[Proposal, ...]
    sure: tuple[Proposal, ...]
    digest: str


def client_list(instance: ConnectorInstance) -> ClientList | None:
    return ClientList.objects.filter(instance=instance).first()


def clients(instance: ConnectorInstance) -> QuerySet[VendorClient]:
    """With `customer_id` and `customer_name` of whom they are mapped to."""
    mapped = CustomerMapping.objects.filter(instance=OuterRef("instance"), external_id=OuterRef("external_id"))
    return (
        VendorClient.objects.filter(instance=instance)
        .annotate(
            customer_id=Subquery(mapped.values("customer_id")[:1]),
            customer_name=Subquery(mapped.values("customer__name")[:1]),
        )
        .order_by("name", "id")
    )


def unmapped_clients(instance: ConnectorInstance) -> QuerySet[VendorClient]:
    """Who is there and nobody's."""
    mapped = CustomerMapping.objects.filter(instance=OuterRef("instance"), external_id=OuterRef("external_id"))
    rows = VendorClient.objects.filter(~Exists(mapped), instance=instance, gone_at=None)
    return rows.order_by("name", "id")


def proposals(instance: ConnectorInstance) -> Proposals:
    """Two queries, whatever is to be compared."""
    free = {client.external_id: client for client in unmapped_clients(instance)}
    customers = list(unmapped_customers(instance))
    made = suggestions([_customer(each) for each in customers], [_client(each) for each in free.values()])
    by_customer = {suggestion.customer: suggestion for suggestion in made}
    rows = [_proposal(customer, by_customer.get(customer.id), free) for customer in customers]
    rows.sort(key=_rank)
    sure = tuple(row for row in rows if row.suggestion and row.suggestion.is_sure)[:AT_ONCE]
    return Proposals(tuple(rows), sure, digest_of(row.suggestion for row in sure if row.suggestion))


@transaction.atomic
def confirm_sure(instance: ConnectorInstance, *, digest: str, by: Actor) -> list[CustomerMapping]:
    """Map what was suggested as sure, each on the record; all of it, or nothing if it is not what `digest` says."""
    instance = ConnectorInstance.objects.select_for_update().get(id=instance.id)
    found = proposals(instance)
    if not found.sure or found.digest != digest:
        message = "The suggestions have changed since you saw them, so nothing was mapped. Look at them again."
        raise Conflict(message, code="suggestions_changed")
    return [
        map_customer(
            instance, customer=row.customer, external_id=row.clients[0].external_id,
            external_name=row.clients[0].name, by=by,
        )
        for row in found.sure
    ]  # fmt: skip


def drifted(instance: ConnectorInstance) -> list[Drifted]:
    """By customer. In a context narrowed to customers the vendor's clients are not seen, and so nothing of this."""
    mappings = CustomerMapping.objects.filter(instance=instance).select_related("customer", "instance")
    return _drifted(list(mappings.order_by("customer__name", "id")))


def drifted_of(customer: Customer) -> list[Drifted]:
    mappings = CustomerMapping.objects.filter(customer=customer).select_related("customer", "instance")
    return _drifted(list(mappings.order_by("instance__name", "id")))


def instances_without(customer: Customer) -> QuerySet[ConnectorInstance]:
    """Active connections on which the customer is nobody."""
    mapped = CustomerMapping.objects.filter(customer=customer).values("instance")
    active = ConnectorInstance.objects.filter(state=ConnectorInstance.State.ACTIVE)
    return active.exclude(id__in=mapped).order_by("name", "id")


def _drifted(mappings: Sequence[CustomerMapping]) -> list[Drifted]:
    clients = VendorClient.objects.filter(
        instance__in={mapping.instance_id for mapping in mappings},
        external_id__in={mapping.external_id for mapping in mappings},
    )
    at = {(client.instance_id, client.external_id): client for client in clients}
    pairs = [(mapping, at.get((mapping.instance_id, mapping.external_id))) for mapping in mappings]
    gone = [client for _, client in pairs if client and client.gone_at]
    successors = _successors(gone) if gone else {}
    return [
        _gone(mapping, client, successors) if client.gone_at else Drifted(mapping, Drift.RENAMED, client)
        for mapping, client in pairs
        if client and (client.gone_at or _is_renamed(mapping, client))
    ]


def _is_renamed(mapping: CustomerMapping, client: VendorClient) -> bool:
    return bool(mapping.external_name) and plain_name(mapping.external_name) != plain_name(client.name)


def _gone(mapping: CustomerMapping, client: VendorClient, successors: dict[UUID, tuple[VendorClient, str]]) -> Drifted:
    successor, customer = successors.get(client.id, (None, ""))
    return Drifted(mapping, Drift.MERGED if successor else Drift.GONE, client, successor, customer)


def _successors(gone: Sequence[VendorClient]) -> dict[UUID, tuple[VendorClient, str]]:
    """For clients that are gone, the one there with the same domain or else the same name, and whose it is."""
    mapped = CustomerMapping.objects.filter(instance=OuterRef("instance"), external_id=OuterRef("external_id"))
    present = VendorClient.objects.filter(instance__in={client.instance_id for client in gone}, gone_at=None)
    named = present.annotate(customer_name=Subquery(mapped.values("customer__name")[:1]))
    by_domain: dict[tuple[UUID, str], VendorClient] = {}
    by_name: dict[tuple[UUID, str], VendorClient] = {}
    for each in named.order_by("id"):
        by_name.setdefault((each.instance_id, plain_name(each.name)), each)
        if each.domain:
            by_domain.setdefault((each.instance_id, each.domain), each)
    found = {}
    for client in gone:
        successor = by_domain.get((client.instance_id, client.domain)) or by_name.get(
            (client.instance_id, plain_name(client.name))
        )
        if successor:
            found[client.id] = successor, getattr(successor, "customer_name", None) or ""
    return found


def _customer(customer: Customer) -> Party:
    return Party(str(customer.id), customer.name, tuple(customer.domains))


def _client(client: VendorClient) -> Party:
    return Party(client.external_id, client.name, (client.domain,) if client.domain else ())


def _proposal(customer: Customer, suggestion: Suggestion | None, free: dict[str, VendorClient]) -> Proposal:
    return Proposal(customer, suggestion, tuple(free[each] for each in suggestion.clients) if suggestion else ())


_ORDER = ("sure", "likely", "ambiguous", "")


def _rank(row: Proposal) -> int:
    return _ORDER.index(row.suggestion.certainty.value if row.suggestion else "")
