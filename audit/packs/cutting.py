"""Which stretch of the log a pack covers: decided once, in the row, before anything is built."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from audit.actors import Actor, system
from audit.errors import NoSuchTree, NotSealed
from audit.kinds import EventKind
from audit.models import Checkpoint, CheckpointSignature, Epoch, HandoverDomain, Pack
from audit.packs.domains import filter_of
from audit.packs.errors import DomainNotVerified, MonthInvalid, PackTooSoon
from audit.services import record
from audit.trees import newest_checkpoint
from tenants.models import Customer

CALENDAR = system("monthly packs")
MOST_MONTHS = 24  # that are made up for at once, after a long standstill
BETWEEN_INTERIMS = timedelta(minutes=10)


def month_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m")


def begin_of(month: str) -> datetime:
    return datetime.strptime(f"{month}-01 +0000", "%Y-%m-%d %z")


def next_month(month: str) -> str:
    return month_of(begin_of(month) + timedelta(days=31))


def cut_due(now: datetime) -> list[UUID]:
    """Cut what is due for every customer of the acting tenant; the packs that were made. Safe to run again."""
    with transaction.atomic():
        customers = list(Customer.objects.order_by("id"))
        epochs = list(Epoch.objects.order_by("number"))
    made = []
    for customer in customers:
        for epoch in epochs:
            for month in _due(customer, epoch, epochs[-1], now):
                pack = _cut(customer, epoch, month, now)
                made += [pack.pk] if pack else []
    return made


def _due(customer: Customer, epoch: Epoch, newest: Epoch, now: datetime) -> Iterator[str]:
    """Months that are over and have no final pack: since the customer, or the epoch, began. One more after an epoch."""
    with transaction.atomic():
        last = (
            Pack.objects.filter(customer=customer, epoch=epoch.number, interim=False, domain="")
            .order_by("-month")
            .first()
        )
        end = _end(epoch.number)
    month = next_month(last.month) if last else month_of(max(customer.created_at, epoch.opened_at))
    for _ in range(MOST_MONTHS):
        if month >= month_of(now) or (epoch.number != newest.number and last and last.size >= end):
            return
        yield month
        if epoch.number != newest.number:
            return
        month = next_month(month)


def _end(epoch: int) -> int:
    return CheckpointSignature.objects.filter(epoch=epoch).order_by("-size").values_list("size", flat=True).first() or 0


@transaction.atomic
def _cut(customer: Customer, epoch: Epoch, month: str, now: datetime) -> Pack | None:
    """Where the log stood when the month was over, or stands now, if nothing has been sealed since."""
    start, _ = _before(customer.pk, epoch.number)
    size = max(start, _size_at(epoch.number, begin_of(next_month(month))))
    if not size:
        return None
    return _add(Pack(customer=customer, month=month, epoch=epoch.number, start=start, size=size, cut_at=now), CALENDAR)


def _size_at(epoch: int, moment: datetime) -> int:
    """Of the first signed checkpoint since then, else of the newest."""
    signed = CheckpointSignature.objects.filter(epoch=epoch).values("size")
    later = Checkpoint.objects.filter(epoch=epoch, sealed_at__gte=moment, size__in=signed).order_by("size").first()
    return later.size if later else _end(epoch)


def _before(customer: UUID, epoch: int) -> tuple[int, Pack | None]:
    """Where the last final pack of the customer ends."""
    last = (
        Pack.objects.filter(customer_id=customer, epoch=epoch, interim=False, domain="")
        .order_by("-size", "-month")
        .first()
    )
    return (last.size if last else 0), last


def _add(pack: Pack, by: Actor) -> Pack | None:
    """None: it is there already, by whoever was faster."""
    pack.requested_by = by.label[:200]
    try:
        with transaction.atomic():
            pack.save(force_insert=True)
    except IntegrityError:
        return None
    body = {
        "domain": pack.domain, "epoch": pack.epoch, "interim": pack.interim, "month": pack.month, "size": pack.size,
        "start": pack.start,
    }  # fmt: skip
    kind = EventKind.PACK_CUT if by is CALENDAR else EventKind.PACK_REQUESTED
    record(kind, actor=by, subject=("audit_pack", pack.pk, str(pack)), customer_id=pack.customer_id, body=body)
    return pack


@transaction.atomic
def request_pack(customer: Customer, month: str, *, actor_filter: str = "", by: Actor) -> Pack:
    """The pack of a month for a customer, made now if it is not there yet. Enqueue it after the commit.

    The month that is not over gets an interim pack. Invalid for others that have no pack, and unverified domains.
    """
    domain = verified_filter(actor_filter) if actor_filter else ""
    if month == month_of(datetime.now(UTC)):
        return _interim(customer, month, domain, by)
    final = Pack.objects.filter(customer=customer, month=month, interim=False)
    base = final.filter(domain="").order_by("-epoch").first()
    if base is None:
        raise MonthInvalid
    return handover_of(base, domain, by) if domain else base


def handover_of(base: Pack, domain: str, by: Actor) -> Pack:
    """The same stretch, with the details of one domain's people. `domain` has been verified."""
    found = Pack.objects.filter(customer=base.customer_id, epoch=base.epoch, month=base.month, domain=domain)
    if existing := found.filter(interim=base.interim, size=base.size).first():
        return existing
    pack = Pack(
        customer_id=base.customer_id, month=base.month, domain=domain, epoch=base.epoch, start=base.start,
        size=base.size, cut_at=base.cut_at, interim=base.interim,
    )  # fmt: skip
    return _add(pack, by) or found.filter(interim=base.interim).latest("id")


def _interim(customer: Customer, month: str, domain: str, by: Actor) -> Pack:
    mine = Pack.objects.filter(customer=customer, interim=True, domain=domain)
    if working := mine.exclude(state__in=(Pack.State.READY, Pack.State.FAILED)).first():
        return working
    if mine.filter(state=Pack.State.READY, created_at__gt=datetime.now(UTC) - BETWEEN_INTERIMS).exists():
        raise PackTooSoon
    try:
        signed = newest_checkpoint()
    except (NoSuchTree, NotSealed):
        raise MonthInvalid from None
    start, _ = _before(customer.pk, signed.epoch)
    pack = Pack(
        customer=customer, month=month, domain=domain, interim=True, epoch=signed.epoch, start=start, size=signed.size
    )
    return _add(pack, by) or mine.latest("id")


def verified_filter(actor_filter: str) -> str:
    """`@msp.example` as it stands in the packs; DomainNotVerified for every other domain and every look-alike."""
    domain = filter_of(actor_filter)
    if domain is None or not HandoverDomain.objects.filter(name=domain, verified_at__isnull=False).exists():
        raise DomainNotVerified
    return f"@{domain}"
