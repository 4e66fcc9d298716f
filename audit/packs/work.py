"""Building a pack, in the worker. Each step ends in one transaction that keeps what it made, so a step that was killed
is done again, and one that is done is not. Nothing waits in a transaction.
"""

import json
import logging
import time
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from audit.actors import system
from audit.errors import NotSealed, PdfUnavailable
from audit.kinds import EventKind
from audit.log_keys import log_keys
from audit.models import Event, Pack, SignatureRequest
from audit.packs import files, pdf_signature
from audit.packs import format as fmt
from audit.packs.building import Log, evidence
from audit.packs.document import Cover, render
from audit.packs.domains import team_member
from audit.packs.keys import key_page
from audit.packs.summary import MOST, Row, Summary, row_of
from audit.services import record
from audit.trees import checkpoint_at, epoch, hashes
from tenants.ids import uuid7_floor
from tenants.isolation.context import acting_tenant
from tenants.models import Customer, Tenant

logger = logging.getLogger(__name__)
BUILDER = system("pack builder")
LEASE = timedelta(minutes=5)  # longer than the longest stretch of work without a word
BATCH = 2000
MOST_TRIES = 20
SIGNATURE_SECONDS, PAUSE = 20.0, 0.05
_ENTRIES = (
    'SELECT l."index", l.k, e.header, e.body FROM audit_leaf l'
    " JOIN audit_event e ON e.tenant_id = l.tenant_id AND e.id = l.id"
    ' WHERE l.tenant_id = %s AND l.epoch = %s AND l.customer_id = %s AND l.k >= %s AND l."index" < %s'
    " ORDER BY l.k LIMIT %s"
)
_LAST_K = "SELECT k FROM audit_leaf WHERE tenant_id = %s AND epoch = %s AND customer_id = %s ORDER BY k DESC LIMIT 1"
_INDEX = 'SELECT "index" FROM audit_leaf WHERE tenant_id = %s AND epoch = %s AND customer_id = %s AND k = %s'


class Unsigned(Exception):
    """The sealer has not answered yet, or has refused: the message says which."""


def build(pack_id: UUID, *, again: bool = False) -> None:
    """Go on with a pack of the acting tenant until it is ready, or until something is missing.

    `again`: the message came a second time, so whoever held the pack is gone.
    """
    pack = _taken(pack_id, again=again)
    if pack is None:
        return
    try:
        _collect(pack)
        _summarise(pack)
        _sign(pack)
    except (PdfUnavailable, Unsigned, NotSealed) as missing:
        _give_back(pack, str(missing))
    except Exception as error:
        _give_back(pack, f"{type(error).__name__}: see the worker's log.")
        raise


@transaction.atomic
def _taken(pack_id: UUID, *, again: bool) -> Pack | None:
    free = Q() if again else Q(leased_until=None) | Q(leased_until__lt=datetime.now(UTC))
    pack = Pack.objects.select_for_update(skip_locked=True).filter(free, id=pack_id).first()
    if pack is None or not pack.is_open:
        return None
    pack.leased_until, pack.tries = datetime.now(UTC) + LEASE, pack.tries + 1
    pack.save(update_fields=["leased_until", "tries"])
    return pack


@transaction.atomic
def _give_back(pack: Pack, problem: str) -> None:
    """Tried again by the next sweep; after many tries a person has to look."""
    pack.problem, pack.leased_until = problem[:300], None
    logger.warning("pack %s waits: %s", pack.pk, problem)
    if pack.tries >= MOST_TRIES:
        pack.state = Pack.State.FAILED
        _say(EventKind.PACK_FAILED, pack, result="failed", body={"alert": True, "problem": pack.problem})
    pack.save(update_fields=["problem", "leased_until", "state"])


def _say(kind: EventKind, pack: Pack, *, result: str = "ok", body: dict[str, Any]) -> None:
    about = ("audit_pack", pack.pk, str(pack))
    record(kind, actor=BUILDER, subject=about, customer_id=pack.customer_id, result=result, body=body)


@transaction.atomic
def _progress(pack: Pack, done: int) -> None:
    pack.done, pack.leased_until = done, datetime.now(UTC) + LEASE
    pack.save(update_fields=["done", "leased_until"])


def _begin(pack: Pack, state: Pack.State, *, total: int = 0) -> None:
    with transaction.atomic():
        pack.state, pack.done, pack.total, pack.problem = state, 0, total, ""
        pack.leased_until = datetime.now(UTC) + LEASE
        pack.save(update_fields=["state", "done", "total", "problem", "leased_until"])


# Events, proofs and checkpoints.


def _collect(pack: Pack) -> None:
    with transaction.atomic():
        if fmt.PROOF in files.names(pack):
            return
        k_from, k_to = _first_k(pack, pack.start), _first_k(pack, pack.size)
    _begin(pack, Pack.State.COLLECTING, total=k_to - k_from)
    handover = _team(pack, k_from) if pack.domain else None
    lines = fmt.Lines(handover)
    for entry in _entries(pack, k_from):
        lines.add(entry, json.loads(entry.header))
        if len(lines.indexes) % BATCH == 0:
            _progress(pack, len(lines.indexes))
    if len(lines.indexes) != k_to - k_from:
        raise NotSealed
    with transaction.atomic():
        made = evidence(_stretch(pack), lines, k_from, _log(pack))
        files.put(pack, made)
        pack.k_from, pack.k_to, pack.left_out = k_from, k_to, lines.left_out
        pack.save(update_fields=["k_from", "k_to", "left_out"])


def _first_k(pack: Pack, index: int) -> int:
    """How many of the customer's events stand before a leaf. Both numbers ascend together: found by halving."""
    mine: list[Any] = [acting_tenant(), pack.epoch, pack.customer_id]
    with connection.cursor() as cursor:

        def asked(query: str, *more: int) -> int:
            cursor.execute(query, [*mine, *more])
            row = cursor.fetchone()
            return row[0] if row else -1

        return bisect_left(range(asked(_LAST_K) + 1), index, key=lambda k: asked(_INDEX, k))


def _entries(pack: Pack, k: int) -> Iterator[fmt.Entry]:
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_ENTRIES, [acting_tenant(), pack.epoch, pack.customer_id, k, pack.size, BATCH])
            rows = cursor.fetchall()
        for index, number, header, body in rows:
            yield fmt.Entry(index, number, bytes(header), None if body is None else bytes(body))
        if len(rows) < BATCH:
            return
        k = rows[-1][1] + 1


def _team(pack: Pack, k_from: int) -> fmt.Handover:
    """Whose details a handover shows: people of the domain, by the address that they had when they acted."""
    domain = pack.domain.removeprefix("@")
    found = (
        team_member(json.loads(entry.header), json.loads(entry.body), domain)
        for entry in _entries(pack, k_from)
        if entry.body is not None
    )
    return fmt.Handover(pack.domain, frozenset(each for each in found if each))


def _stretch(pack: Pack) -> fmt.Stretch:
    return fmt.Stretch(
        origin=epoch(pack.epoch).origin, month=pack.month, customer=pack.customer_id, cut_at=pack.cut_at,
        interim=pack.interim, start=pack.start, size=pack.size,
    )  # fmt: skip


def _log(pack: Pack) -> Log:
    previous = str(checkpoint_at(pack.start, pack.epoch).note).encode() if pack.start else None
    note = str(checkpoint_at(pack.size, pack.epoch).note).encode()
    return Log(hashes(pack.size, pack.epoch), note, previous, key_page())


# The summary.


def _summarise(pack: Pack) -> None:
    with transaction.atomic():
        have = files.names(pack)
    if files.UNSIGNED in have:
        return
    _begin(pack, Pack.State.SUMMARISING)
    with transaction.atomic():
        raw = files.get(pack, fmt.names_of(pack.month)[1])
    summary = Summary(pack.month)
    erased = 0
    for line in fmt.read_lines(raw):
        facts = json.loads(line["body"]) if line["body"] else {}
        erased += line["body"] is None
        summary.add(json.loads(line["header"]), facts)
    with transaction.atomic():
        cover, health = _cover(pack, erased - pack.left_out), _health(pack, summary)
    pdf = render(cover, summary, health)
    with transaction.atomic():
        files.put(pack, {files.UNSIGNED: pdf})


def _cover(pack: Pack, erased: int) -> Cover:
    tenant, customer = Tenant.objects.get(), Customer.objects.get(pk=pack.customer_id)
    newest = log_keys()[-1:]
    return Cover(
        tenant=tenant.name, customer=customer.name, customer_id=str(customer.pk), month=pack.month,
        cut_at=pack.cut_at.isoformat(timespec="microseconds"), origin=epoch(pack.epoch).origin, size=pack.size,
        start=pack.start, k_from=pack.k_from or 0, k_to=max((pack.k_to or 0) - 1, pack.k_from or 0),
        interim=pack.interim, domain=pack.domain, left_out=pack.left_out, erased=erased,
        fingerprint=newest[0].fingerprint if newest else "",
        keys_url=f"{settings.PUBLIC_URL}/.well-known/msplex-log-keys.json",
    )  # fmt: skip


def _health(pack: Pack, summary: Summary) -> list[Row]:
    """Changes of state of the connections that this customer's calls went through, within the month."""
    from audit.packs.cutting import begin_of, next_month  # noqa: PLC0415 - cutting does not know how packs are built

    since, until = uuid7_floor(begin_of(pack.month)), uuid7_floor(begin_of(next_month(pack.month)))
    changes = Event.objects.filter(
        kind=EventKind.INSTANCE_HEALTH_CHANGED, instance_id__in=summary.instances, id__gte=since, id__lt=until
    ).order_by("id")
    return [row_of(json.loads(bytes(each.header)), each.facts) for each in changes[:MOST]]


# Signatures.


def _sign(pack: Pack) -> None:
    _begin(pack, Pack.State.SIGNING)
    summary, _ = fmt.names_of(pack.month)
    chain = settings.PDF_CERTIFICATES
    with transaction.atomic():
        unsigned, have = files.get(pack, files.UNSIGNED), files.names(pack)
    if summary not in have:
        signing = pdf_signature.to_sign(unsigned, chain, pack.cut_at)
        answer = _signature(pack, SignatureRequest.Purpose.PDF, signing.message)
        with transaction.atomic():
            files.put(pack, {summary: pdf_signature.signed_pdf(signing, chain, bytes(answer.signature or b""))})
    with transaction.atomic():
        sums = fmt.sums_of(files.all_of(pack))
    answer = _signature(pack, SignatureRequest.Purpose.SUMS, sums)
    _finish(pack, sums, answer)


def _signature(pack: Pack, purpose: SignatureRequest.Purpose, message: bytes) -> SignatureRequest:
    """Unsigned when the sealer does not answer in time: the next try finds what it has answered meanwhile."""
    with transaction.atomic():
        mine = SignatureRequest.objects.filter(pack_id=pack.pk, purpose=purpose)
        if not mine.exists():
            SignatureRequest.objects.create(
                pack_id=pack.pk, customer_id=pack.customer_id, purpose=purpose, message=message
            )
    deadline = time.monotonic() + SIGNATURE_SECONDS
    while time.monotonic() < deadline:
        with transaction.atomic():
            answer = mine.get()
        if bytes(answer.message) != message:
            raise Unsigned("What was made now is not what was made before. Versions of packages may have changed.")
        if answer.refused:
            raise Unsigned(f"The sealer refuses: {answer.refused}")
        if answer.signature is not None:
            return answer
        time.sleep(PAUSE)
    raise Unsigned("The sealer does not answer; it is tried again.")


@transaction.atomic
def _finish(pack: Pack, sums: bytes, answer: SignatureRequest) -> None:
    signature = bytes(answer.signature or b"")
    note = fmt.signature_file(sums, signature, files.key_of(answer))
    files.put(pack, {fmt.SUMS: sums, fmt.SUMS_SIGNATURE: signature, files.SIGNATURE: note})
    pack.state, pack.ready_at, pack.leased_until, pack.problem = Pack.State.READY, datetime.now(UTC), None, ""
    pack.save(update_fields=["state", "ready_at", "leased_until", "problem"])
    events = (pack.k_to or 0) - (pack.k_from or 0)
    body = {"events": events, "left_out": pack.left_out, "sums": sums.decode()}
    _say(EventKind.PACK_FINISHED, pack, body=body)


def unfinished(now: datetime) -> list[UUID]:
    """Packs of the acting tenant that nobody works on: new ones whose message was lost, and those to be tried again."""
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    with transaction.atomic():
        return list(
            Pack.objects.filter(free)
            .exclude(state__in=(Pack.State.READY, Pack.State.FAILED))
            .values_list("id", flat=True)
        )
