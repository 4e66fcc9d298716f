"""What people and programs do with packs. Whoever may read a customer's events may have them packed, and take them
home: a client needs nobody's leave to hold its own evidence.
"""

import secrets
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit.actors import Actor
from audit.kinds import EventKind
from audit.models import HandoverDomain, Pack
from audit.packs import cutting, files
from audit.packs.domains import normal
from audit.packs.errors import DomainInvalid, PackNotReady
from audit.services import record
from audit.tasks import build_pack
from tenants.errors import Conflict, Invalid, NotFound
from tenants.isolation.context import current
from tenants.models import Customer

MOST_DOMAINS = 20


def packs() -> QuerySet[Pack]:
    """Those within reach, the newest first."""
    context = current()
    found = Pack.objects.select_related("customer").order_by("-id")
    return found if context is None or context.customers is None else found.filter(customer_id__in=context.customers)


@transaction.atomic
def order_pack(customer_id: UUID, month: str, *, actor_filter: str = "", by: Actor) -> Pack:
    customer = Customer.objects.filter(id=customer_id).first()
    if customer is None:
        raise Invalid("There is no such customer.", field="customer")
    pack = cutting.request_pack(customer, month, actor_filter=actor_filter, by=by)
    _enqueue(pack)
    return pack


def _enqueue(pack: Pack) -> None:
    if pack.is_open:
        build_pack.delay_on_commit(pack_id=str(pack.pk))


@transaction.atomic
def take_pack(pack: Pack, form: str, *, actor_filter: str = "", by: Actor) -> files.Download | Pack:
    """The file, on the record; or, where a handover has yet to be built, the pack that is being built now.

    PackNotReady for a pack that is not; DomainNotVerified.
    """
    if actor_filter:
        pack = order_handover(pack, actor_filter, by=by)
        if pack.is_open:
            return pack
    if pack.state != Pack.State.READY:
        raise PackNotReady
    made = files.download(pack, form, Customer.objects.get(pk=pack.customer_id).key)
    about = ("audit_pack", pack.pk, str(pack))
    record(
        EventKind.PACK_DOWNLOADED, actor=by, subject=about, customer_id=pack.customer_id,
        body={"format": form, "domain": pack.domain, "month": pack.month},
    )  # fmt: skip
    return made


@transaction.atomic
def order_handover(pack: Pack, actor_filter: str, *, by: Actor) -> Pack:
    """The same stretch with the details of one verified domain's people, which is built now if it is not there."""
    made = cutting.handover_of(pack, cutting.verified_filter(actor_filter), by)
    _enqueue(made)
    return made


# The domains of handovers: equal names only, and only those where the tenant has shown that they are its own.


def handover_domains() -> QuerySet[HandoverDomain]:
    return HandoverDomain.objects.order_by("name")


@transaction.atomic
def add_domain(name: str, *, by: Actor) -> HandoverDomain:
    domain = normal(name.strip())
    if domain is None:
        raise DomainInvalid
    if HandoverDomain.objects.filter(name=domain).exists():
        raise Conflict("This domain is in the list already.")
    if HandoverDomain.objects.count() >= MOST_DOMAINS:
        raise Conflict(f"There can be {MOST_DOMAINS} domains.")
    made = HandoverDomain.objects.create(name=domain, token=secrets.token_urlsafe(32), added_by=by.label[:200])
    record(EventKind.HANDOVER_DOMAIN_ADDED, actor=by, subject=("handover_domain", made.pk, domain))
    return made


@transaction.atomic
def remove_domain(pk: UUID, *, by: Actor) -> None:
    found = HandoverDomain.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound
    found.delete()
    record(EventKind.HANDOVER_DOMAIN_REMOVED, actor=by, subject=("handover_domain", pk, found.name))
