"""The statement that writes an event which raises an alert: event, hit and alert in one, so that they are one.

A writer adds a row of its own (the hit) and never changes one that others use, so that a flood of denials does not
queue up at one alert. Hits are summed when somebody looks, and folded into their alert by a sweep.
"""

import logging
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from celery import current_app
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from audit.actors import Actor, CallRef
from audit.alerts import WINDOW, Per, Rule, Severity, key_of, rule_for
from audit.kinds import EventKind
from tenants.ids import uuid7, uuid7_floor
from tenants.isolation.context import acting_tenant
from tenants.isolation.tasks import signed_context

logger = logging.getLogger(__name__)
TELL = "identity.tell_of_alerts"  # the task of the app above that knows whom to tell

OPEN_ALERT = (
    "INSERT INTO audit_alert (tenant_id, id, kind, severity, key, state, counted, first_at, last_at, customer_id,"
    " event_id, event_kind, actor_kind, actor_id, actor_label, subject_kind, subject_id, subject_label, instance_id,"
    " tool, acknowledged_by, note) SELECT %s::uuid, %s::uuid, %s::text, %s::text, %s::bytea, 'open', 0,"
    " %s::timestamptz, %s::timestamptz, %s::uuid, %s::uuid, %s::text, %s::text, %s::uuid, %s::text, %s::text, %s::uuid,"
    " %s::text, %s::uuid, %s::text, '', ''"
)
RAISING = (
    "WITH hit AS (INSERT INTO audit_alerthit (tenant_id, id, key, at) VALUES (%s, %s, %s, %s)), opened AS ("  # noqa: S608
    + OPEN_ALERT
    + " WHERE %s::int <= 1 + (SELECT count(*) FROM (SELECT 1 FROM audit_alerthit"
    " WHERE tenant_id = %s AND key = %s AND id >= %s LIMIT %s) AS lately)"
    " ON CONFLICT DO NOTHING RETURNING true) "
)
OPENED = " RETURNING EXISTS (SELECT FROM opened)"


class Recorded(Protocol):
    """An event as audit.services composes it."""

    id: UUID
    at: datetime
    kind: EventKind
    actor: Actor
    subject: tuple[str, UUID | None, str]
    customer_id: UUID | None
    told: dict[str, Any]
    call: CallRef | None


def rule_of(event: Recorded) -> Rule | None:
    return rule_for(event.kind, event.told)


def values_before(event: Recorded, rule: Rule) -> list[Any]:
    """What RAISING binds; the event's own values come after it."""
    tenant, key = acting_tenant(), _key(event, rule)
    since = uuid7_floor(event.at - WINDOW)
    return [
        tenant, event.id, key, event.at, *alert_row(event, rule, key),
        rule.threshold, tenant, key, since, rule.threshold - 1,
    ]  # fmt: skip


def alert_row(event: Recorded, rule: Rule, key: bytes) -> list[Any]:
    """What OPEN_ALERT binds."""
    instance, tool = _place(event)
    return [
        acting_tenant(), uuid7(), rule.alert.value, rule.severity.value, key, event.at, event.at, event.customer_id,
        event.id, event.kind.value, event.actor.kind.value, event.actor.id, event.actor.label[:200],
        event.subject[0], event.subject[1], event.subject[2][:200], instance, tool,
    ]  # fmt: skip


def _key(event: Recorded, rule: Rule) -> bytes:
    instance, tool = _place(event)
    subject = event.subject[1] or event.subject[2]
    about = {Per.ACTOR: event.actor.id, Per.INSTANCE: instance, Per.SUBJECT: subject, Per.TOOL: tool}
    return key_of(rule, event.customer_id, about)


def _place(event: Recorded) -> tuple[UUID | None, str]:
    return (event.call.instance_id, event.call.tool) if event.call else (None, "")


def tell(rule: Rule) -> None:
    """After the commit of one that was just opened. Without a queue, a sweep does it within a minute."""
    if rule.severity is not Severity.HIGH:
        return
    try:
        headers = {"msplex": signed_context(TELL, (), {})}
        current_app.send_task(TELL, headers=headers, queue="worker", retry=False)
    except (KombuError, RedisError, OSError):
        logger.warning("an alert was raised, and the queue does not answer: a sweep tells of it")
