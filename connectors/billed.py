"""How much a connection's PSA bills each mapped customer, of the product that counts assets.

In the broker, once a day, a few customers at a time. The vendor is asked for each by itself, and what comes
is kept as plain data (tenants.BilledQuantity) for billing to compare.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from audit.actors import CallRef, system
from audit.errors import AuditUnavailable
from connectors.broker import Purpose
from connectors.catalogue import all_connectors, find
from connectors.contract import ASSET_PRODUCT, Connection
from connectors.errors import ExecutionError
from connectors.models import ConnectorInstance, CustomerMapping
from connectors.narrowing import normalised
from connectors.network import Limits
from connectors.reaching import reached
from connectors.readiness import has_credential_for_all
from connectors.scrub import scrubbed
from connectors.selectors import askable
from connectors.tasks import read_billed as read_task
from tenants.models import BilledQuantity

READER = system("billed quantities")
EVERY = timedelta(days=1)
AT_ONCE = 10  # customers: each is a request, and one more for each agreement, of what calls are paced by
_LIMITS = Limits(total_seconds=90.0)  # a task has 120
Read = Callable[[Connection, str, str], Decimal | None]


def enqueue_due_readings(now: datetime) -> int:
    with transaction.atomic():
        due = list(_asked_for(now).values_list("id", flat=True))  # which customers are due, the broker alone may see
    for instance_id in due:
        read_task.delay(str(instance_id))
    return len(due)


def read_billed(instance_id: UUID, now: datetime | None = None) -> None:
    """Look, without a transaction; each customer's is written down by itself, so that a failure costs no other's."""
    now = now or timezone.now()
    with transaction.atomic():
        instance = _asked_for(now).filter(id=instance_id).first()
        due = _due(instance, now) if instance else []
        if instance:
            _forget_strangers(instance)
    entry = find(instance.connector) if instance else None
    if instance is None or entry is None or entry.billed is None or not due:
        return
    purpose = Purpose(READER, f"{instance.connector}.billed", CallRef(None, instance.id))
    try:
        with reached(instance, entry, purpose, limits=_LIMITS) as connection:
            for mapping in due:
                _keep(instance, mapping, _read(instance, mapping, connection, entry.billed), now)
    except (ExecutionError, AuditUnavailable):
        return  # what is still due is asked for by the next sweep


def _read(
    instance: ConnectorInstance, mapping: CustomerMapping, connection: Connection, read: Read
) -> tuple[Decimal | None, str]:
    """ExecutionError if it may go better later; what will not is the answer, so that others get their turn."""
    owner, product = normalised(mapping.external_id) or "", _product(instance)
    try:
        return scrubbed(lambda: read(connection, owner, product), place=f"{instance.connector}.billed"), ""
    except ExecutionError as error:
        if error.retryable:
            raise
        return None, error.code


@transaction.atomic
def _keep(
    instance: ConnectorInstance, mapping: CustomerMapping, answer: tuple[Decimal | None, str], now: datetime
) -> None:
    """Not if the connection or the mapping has become another meanwhile."""
    same = ConnectorInstance.objects.filter(id=instance.pk, configured_at=instance.configured_at).exists()
    if not same or not CustomerMapping.objects.filter(id=mapping.pk, external_id=mapping.external_id).exists():
        return
    values = {"owner": mapping.external_id, "product": _product(instance), "read_at": now}
    values |= {"quantity": answer[0], "code": answer[1]}
    BilledQuantity.objects.update_or_create(source=instance.pk, customer_id=mapping.customer_id, defaults=values)


def _asked_for(now: datetime) -> QuerySet[ConnectorInstance]:
    """Active ones whose tenant has said which product counts its assets."""
    telling = [each.key for each in all_connectors() if each.billed is not None and has_credential_for_all(each)]
    found = askable(now).filter(state=ConnectorInstance.State.ACTIVE, connector__in=telling)
    return found.exclude(**{f"settings__{ASSET_PRODUCT}": ""}).filter(settings__has_key=ASSET_PRODUCT)


def _due(instance: ConnectorInstance, now: datetime) -> list[CustomerMapping]:
    """Those who were never asked for, or not today, or as another client or another product; a few."""
    known = BilledQuantity.objects.filter(
        source=instance.pk, customer=OuterRef("customer"), owner=OuterRef("external_id"), product=_product(instance),
        read_at__gt=now - EVERY,
    )  # fmt: skip
    # In no order: one for whom the vendor always fails is not always the first.
    return list(CustomerMapping.objects.filter(~Exists(known), instance=instance).order_by("?")[:AT_ONCE])


def _forget_strangers(instance: ConnectorInstance) -> None:
    mapped = CustomerMapping.objects.filter(instance=instance).values("customer")
    BilledQuantity.objects.filter(source=instance.pk).exclude(customer__in=mapped).delete()


def _product(instance: ConnectorInstance) -> str:
    return str(instance.settings.get(ASSET_PRODUCT) or "")
