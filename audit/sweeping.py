"""Alerts, between a writer and a reader: what fell between two writers is raised, what happened again is added up."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.actors import Actor, ActorKind, CallRef
from audit.alerts import WINDOW, rule_for
from audit.kinds import EventKind
from audit.models import AlertHit, Event
from audit.raising import OPEN_ALERT, alert_row, tell
from tenants.ids import uuid7_floor
from tenants.isolation.context import acting_tenant

BATCH = 20_000  # hits that one fold takes in
KEPT = 2 * WINDOW  # hits are folded when no threshold can need them any more

_FOLD = """
WITH gone AS (
    DELETE FROM audit_alerthit WHERE tenant_id = %(tenant)s AND id IN (
        SELECT id FROM audit_alerthit WHERE tenant_id = %(tenant)s AND id < %(before)s ORDER BY id LIMIT %(batch)s
    ) RETURNING key, at
), sums AS (SELECT key, count(*) AS number, max(at) AS latest FROM gone GROUP BY key)
UPDATE audit_alert SET counted = counted + sums.number, last_at = greatest(last_at, sums.latest)
FROM sums WHERE tenant_id = %(tenant)s AND audit_alert.key = sums.key AND state = 'open'
"""
# What has reached its threshold and is not open: its alert was acknowledged while it was being written, or several of
# it were written at the same time, and none saw the others.
_MISSED = """
SELECT hits.first, hits.number FROM (
    SELECT key, count(*) AS number, (array_agg(id ORDER BY id))[1] AS first FROM audit_alerthit
    WHERE tenant_id = %(tenant)s AND id >= %(since)s GROUP BY key
) AS hits WHERE NOT EXISTS (
    SELECT FROM audit_alert WHERE tenant_id = %(tenant)s AND audit_alert.key = hits.key AND state = 'open'
)
"""


def sweep_alerts(now: datetime) -> None:
    """Of the acting tenant: raise what fell between two writers, then fold old hits into their alerts."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MISSED, {"tenant": acting_tenant(), "since": uuid7_floor(now - WINDOW)})
        missed = cursor.fetchall()
        for event_id, number in missed:
            _raise_missed(cursor, event_id, number)
        before = uuid7_floor(now - KEPT)
        cursor.execute(_FOLD, {"tenant": acting_tenant(), "before": before, "batch": BATCH})


def _raise_missed(cursor: Any, event_id: UUID, number: int) -> None:
    event = Event.objects.filter(id=event_id).first()
    rule = rule_for(EventKind(event.kind), event.facts) if event else None
    if event is None or rule is None or number < rule.threshold:
        return
    hit = AlertHit.objects.get(id=event_id)
    cursor.execute(f"{OPEN_ALERT} ON CONFLICT DO NOTHING", alert_row(_Again(event), rule, bytes(hit.key)))
    if cursor.rowcount:
        transaction.on_commit(partial(tell, rule), robust=True)


class _Again:
    """An event that was recorded before, as audit.raising wants it."""

    def __init__(self, event: Event) -> None:
        facts = event.facts
        self.id, self.at, self.kind = event.pk, event.occurred_at, EventKind(event.kind)
        self.actor = Actor(ActorKind(event.actor_kind), event.actor_id, str(facts.get("actor_label", "")))
        self.subject = (event.subject_kind, event.subject_id, str(facts.get("subject_label", "")))
        self.customer_id, self.told = event.customer_id, facts
        self.call: CallRef | None = CallRef(event.call_id, event.instance_id, event.tool)
