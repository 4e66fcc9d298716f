"""An alert is acknowledged by a person. Raising one is audit.services.record's, counting it audit.sweeping's."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.actors import Actor, CallRef
from audit.kinds import EventKind
from audit.models import Alert, AlertHit
from audit.services import record
from tenants.errors import Conflict, Invalid

NOTE_LENGTH = 1000


@transaction.atomic
def acknowledge_alert(alert: Alert, *, note: str, by: Actor) -> Alert:
    """Somebody has looked at it, and says what they found. What comes after is a new alert."""
    note = note.strip()
    if not note:
        raise Invalid("Say what you found, or what you did about it.", field="note", code="note_needed")
    if len(note) > NOTE_LENGTH:
        raise Invalid("Choose a shorter note.", field="note")
    hits, _ = AlertHit.objects.filter(key=alert.key).delete()  # before the alert, as the fold does
    now = timezone.now()
    changed = Alert.objects.filter(id=alert.pk, state=Alert.State.OPEN).update(
        state=Alert.State.ACKNOWLEDGED,
        counted=F("counted") + hits,
        last_at=alert.latest_at,
        acknowledged_at=now,
        acknowledged_by=by.label[:200],
        note=note,
    )
    if not changed:
        raise Conflict("Somebody has acknowledged this alert already.", code="already_acknowledged")
    _record_acknowledged(alert, note, by)
    return Alert.objects.get(id=alert.pk)


def _record_acknowledged(alert: Alert, note: str, by: Actor) -> None:
    counted = Alert.objects.values_list("counted", flat=True).get(id=alert.pk)
    record(
        EventKind.ALERT_ACKNOWLEDGED,
        actor=by,
        subject=("alert", alert.pk, alert.kind),
        customer_id=alert.customer_id,
        body={"alert": alert.kind, "count": counted, "note": note},
        call=CallRef(None, alert.instance_id, alert.tool) if alert.instance_id else None,
    )
