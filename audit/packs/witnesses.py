"""Cosignatures that clients hand in: each is checked, and kept beside the checkpoint that it is about."""

import base64
import hashlib
from datetime import UTC, datetime
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import transaction
from django.db.models import QuerySet

from audit.actors import Actor
from audit.kinds import EventKind
from audit.log_keys import log_keys
from audit.models import Checkpoint as Row
from audit.models import Cosignature, Epoch
from audit.packs.errors import CosignatureRefused
from audit.services import record
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid
from audit.tlog.note import KEY_BYTES, KEY_ID_BYTES, Note, NoteInvalid, Signature, VerifierKey, verified_by
from tenants.errors import Invalid
from tenants.isolation.context import acting_tenant, current
from tenants.models import Customer

KIND = b"\x04"  # a timestamped Ed25519 cosignature (c2sp.org/tlog-cosignature)
TIME_BYTES, SIGNATURE_BYTES = 8, 64
LATEST = 253402300799  # the last second of the year 9999


def cosignatures() -> QuerySet[Cosignature]:
    """Those within reach, the newest first."""
    context = current()
    found = Cosignature.objects.select_related("customer").order_by("-id")
    return found if context is None or context.customers is None else found.filter(customer_id__in=context.customers)


@transaction.atomic
def hand_in(customer_id: UUID, note: str, witness: str, *, by: Actor) -> Cosignature:
    """Keep a witness's word. `note`: the cosigned checkpoint; `witness`: its verifier key, name+id+key.

    CosignatureRefused if it does not fit. Disputed if this log has signed the checkpoint and does not have it: that is
    an event that alerts. What the log's key has not signed is only refused, or anybody could raise that alert.
    """
    if not Customer.objects.filter(id=customer_id).exists():
        raise Invalid("There is no such customer.", field="customer")
    name, public = _key(witness)
    parsed, head = _parsed(note)
    epoch = Epoch.objects.filter(origin=head.origin).first()
    row = Row.objects.filter(epoch=epoch.number, size=head.size).first() if epoch else None
    if epoch is None or row is None or bytes(row.root) != head.root:
        _check_signed_here(parsed, head)
        raise Disputed(head)
    line, stamp = _cosigned(parsed, name, public)
    made, is_new = Cosignature.objects.get_or_create(
        customer_id=customer_id, epoch=epoch.number, size=head.size, line=line.line,
        defaults={"witness": witness, "stamped_at": stamp, "handed_in_by": by.label[:200]},
    )  # fmt: skip
    if is_new:
        body = {"epoch": epoch.number, "size": head.size, "witness": witness}
        record(EventKind.AUDIT_CHECKPOINT_WITNESSED, actor=by, customer_id=customer_id, body=body)
    return made


class Disputed(CosignatureRefused):
    """A witness has what was signed here and is not here any more. `dispute` says so, in a transaction that stays."""

    def __init__(self, head: Checkpoint) -> None:
        super().__init__(
            "This checkpoint was signed here, and is not in the log any more. Keep it: it is evidence.", field="note"
        )
        self.head = head


@transaction.atomic
def dispute(customer_id: UUID, disputed: Disputed, *, by: Actor) -> None:
    head = disputed.head
    root = base64.b64encode(head.root).decode()
    body = {"alert": True, "origin": head.origin, "size": head.size, "root": root}
    record(EventKind.AUDIT_CHECKPOINT_DISPUTED, actor=by, customer_id=customer_id, result="refused", body=body)


def _parsed(note: str) -> tuple[Note, Checkpoint]:
    try:
        parsed = Note.parse(note.replace("\r\n", "\n").strip("\n").encode() + b"\n")
        return parsed, Checkpoint.parse(parsed.text)
    except (NoteInvalid, CheckpointInvalid, UnicodeEncodeError) as error:
        raise CosignatureRefused(f"This is no cosigned checkpoint: {error}", field="note") from None


def _check_signed_here(note: Note, head: Checkpoint) -> None:
    """By a key of the log, for a tree of the acting tenant."""
    is_ours = f"/audit/{acting_tenant()}/e" in head.origin
    keys = [VerifierKey(head.origin, key.public) for key in log_keys()] if is_ours else []
    try:
        verified_by(note, keys)
    except NoteInvalid as error:
        raise CosignatureRefused(f"This log has not signed this checkpoint. {error}", field="note") from None


def _key(vkey: str) -> tuple[str, bytes]:
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    known = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:KEY_ID_BYTES].hex()
    if raw[:1] != KIND or len(raw) != 1 + KEY_BYTES or known != key_id or len(vkey) > 400:  # noqa: PLR2004 - the column's
        raise CosignatureRefused("This is no key of a witness: name+id+key, as `witness` prints it.", field="witness")
    return name, raw[1:]


def _cosigned(note: Note, name: str, public: bytes) -> tuple[Signature, datetime]:
    for line in note.signatures:
        if line.name != name or len(line.value) != TIME_BYTES + SIGNATURE_BYTES:
            continue
        stamp = int.from_bytes(line.value[:TIME_BYTES], "big")
        message = f"cosignature/v1\ntime {stamp}\n{note.text}".encode()
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(line.value[TIME_BYTES:], message)
        except (InvalidSignature, ValueError):
            continue
        if stamp <= LATEST:
            return line, datetime.fromtimestamp(stamp, UTC)
    raise CosignatureRefused("The checkpoint has no valid cosignature of this key.", field="note")
