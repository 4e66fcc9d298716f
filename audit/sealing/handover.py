"""One log key after the other: both sign the newest checkpoint of every tree, then the new one goes on alone."""

from collections.abc import Sequence
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from audit.kinds import EventKind
from audit.log_keys import log_keys, public_of, publish
from audit.models import Checkpoint as Row
from audit.models import Epoch
from audit.sealing.log import SEALER
from audit.sealing.sealer import Sealer
from audit.sealing.statements import add_signature
from audit.services import record
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.note import sign
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction


class HandOverRefused(Exception):
    """The keys of the sealer do not follow from those that have signed. The message says what to do."""


def signing_keys(sealer: Sealer) -> Sequence[Ed25519PrivateKey]:
    """The key that signs from now on, after it has taken over from the one before, if there was one."""
    keys, known = list(sealer.keys), [key.public for key in log_keys()]
    newest = keys[-1]
    if not known:
        publish(public_of(newest))
    elif public_of(newest) != known[-1]:
        _take_over(sealer, keys, known)
    return [newest]


def _take_over(sealer: Sealer, keys: Sequence[Ed25519PrivateKey], known: Sequence[bytes]) -> None:
    new = keys[-1]
    old = next((key for key in keys if public_of(key) == known[-1]), None)
    if old is None or public_of(new) in known:
        raise HandOverRefused(
            "MSPLEX_LOG_SIGNING_KEY does not hold the key that signs now, followed by a new one."
            " `manage.py rotate_log_key` adds a new one to those that are there."
        )
    for tenant in sealer.memory.heads:
        _both_sign(tenant, (old, new))
    publish(public_of(new))


def _both_sign(tenant: UUID, keys: Sequence[Ed25519PrivateKey]) -> None:
    with acting_for(Context(tenant)):
        with transaction.atomic():
            epoch = Epoch.objects.latest("number")
            row = Row.objects.filter(epoch=epoch.number).order_by("-size").first()
            body = {"old": public_of(keys[0]).hex(), "new": public_of(keys[1]).hex()}
            record(EventKind.AUDIT_KEY_CHANGED, actor=SEALER, body=body)
        if row is None:
            return
        text = str(Checkpoint(epoch.origin, row.size, bytes(row.root)))
        with signed_transaction() as db:
            for key in keys:
                value = sign(text, key, epoch.origin).value
                add_signature(db, tenant, (epoch.number, row.size), public_of(key), value)
