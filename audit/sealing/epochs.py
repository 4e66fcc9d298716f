"""A new tree for a tenant whose log cannot go on: a restored backup, or a sealer that has lost its memory."""

from typing import Any
from uuid import UUID

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.models import Checkpoint as Row
from audit.models import Epoch
from audit.sealing.memory import Head
from audit.services import record
from audit.tlog.checkpoint import origin_of
from tenants.errors import Invalid
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for


@transaction.atomic
def _open(tenant: UUID, *, reason: str, last: Head | None, host: str, by: Actor) -> Epoch:
    before = Epoch.objects.order_by("-number").first()
    if before is None:
        raise Invalid("Nothing of this tenant was sealed yet, so there is no log to begin anew.")
    number = max(before.number, last.epoch if last else 0) + 1
    event = record(
        EventKind.AUDIT_EPOCH_OPENED,
        actor=by,
        body={"alert": True, "reason": reason, "epoch": number, "before": _named(before, last)},
    )
    return Epoch.objects.create(id=uuid7(), number=number, origin=origin_of(host, tenant, number), event_id=event)


def open_epoch(tenant: UUID, *, reason: str, last: Head | None, host: str, by: Actor) -> Epoch:
    """Its first leaf is the event that says why, and names the last head that was signed (`last`, the sealer's memory).

    What was sealed in the tree before and is gone from the database is proved by that head.
    """
    if not reason.strip():
        raise Invalid("Say why the log begins anew.", field="reason")
    with acting_for(Context(tenant)):
        return _open(tenant, reason=reason.strip(), last=last, host=host, by=by)


def _named(before: Epoch, last: Head | None) -> dict[str, Any]:
    """The last head that the sealer signed; without its memory, the last that the database has."""
    if last:
        return {"epoch": last.epoch, "size": last.size, "root": last.root.hex(), "known_by": "sealer"}
    row = Row.objects.filter(epoch=before.number).order_by("-size").first()
    root = bytes(row.root).hex() if row else ""
    return {"epoch": before.number, "size": row.size if row else 0, "root": root, "known_by": "database"}
