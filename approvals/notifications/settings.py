"""How a person, and how the tenant, wants to be told. One service for each change."""

import secrets
from collections.abc import Iterable
from datetime import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from django.conf import settings
from django.db import transaction

from approvals.notifications.models import (
    NotificationChannels,
    NotificationPreferences,
    Severity,
    new_topic,
)
from approvals.notifications.signing import mark_of, secret_of, shown
from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.permissions import Permission
from identity.services.authority import authorise
from tenants.errors import Conflict, Invalid, NotAllowed

LONGEST_WAIT = 24 * 60
PERSONAL = ("email", "ntfy", "quiet_from", "quiet_until", "timezone", "critical_breaks_through")
OF_TENANT = ("ntfy_server", "webhook_url", "webhook_severities", "escalate_minutes")


def preferences_of(person: UUID) -> NotificationPreferences:
    """Those that hold, whether or not there is a row."""
    return NotificationPreferences.objects.filter(person_id=person).first() or NotificationPreferences(person_id=person)


@transaction.atomic
def set_preferences(
    *,
    email: Iterable[str],
    ntfy: Iterable[str],
    quiet_from: time | None,
    quiet_until: time | None,
    timezone: str,
    critical_breaks_through: bool,
    by: Actor,
) -> NotificationPreferences:
    """One's own. Critical ones go out by e-mail or to the phone, so that somebody is told."""
    if (quiet_from is None) != (quiet_until is None):
        raise Invalid("Give both times, or none.", field="quiet_until")
    if timezone not in available_timezones():
        raise Invalid("Choose a time zone, such as Europe/Berlin.", field="timezone")
    own = _own(by)
    own.email, own.ntfy = _severities(email, "email"), _severities(ntfy, "ntfy")
    own.quiet_from, own.quiet_until = quiet_from, quiet_until
    own.timezone, own.critical_breaks_through = timezone, critical_breaks_through
    own.save()
    body = {name: _said(getattr(own, name)) for name in PERSONAL}
    record(EventKind.NOTIFICATION_PREFERENCES_SET, actor=by, subject=("user", by.id, by.label), body=body)
    return own


@transaction.atomic
def renew_topic(*, by: Actor) -> NotificationPreferences:
    """Whoever knew the old one reads nothing more."""
    own = _own(by)
    own.ntfy_topic = new_topic()
    own.save()
    body = {"ntfy_topic": "renewed"}
    record(EventKind.NOTIFICATION_PREFERENCES_SET, actor=by, subject=("user", by.id, by.label), body=body)
    return own


def _own(by: Actor) -> NotificationPreferences:
    """Locked, and made if it is the first time."""
    if by.id is None or by.kind != "user":
        raise NotAllowed("Only a person is notified, and says how.")
    NotificationPreferences.objects.bulk_create([NotificationPreferences(person_id=by.id)], ignore_conflicts=True)
    return NotificationPreferences.objects.select_for_update().get(person_id=by.id)


def _severities(given: Iterable[str], field: str) -> list[str]:
    chosen = set(given)
    if not chosen <= set(Severity.values):
        raise Invalid(f"Choose from: {', '.join(Severity.values)}.", field=field)
    return [each for each in Severity.values if each in chosen]


def _said(value: Any) -> Any:
    return value.isoformat(timespec="minutes") if isinstance(value, time) else value


def tenant_channels() -> NotificationChannels:
    return NotificationChannels.objects.first() or NotificationChannels()


@transaction.atomic
def set_channels(
    *, ntfy_server: str, webhook_url: str, webhook_severities: Iterable[str], escalate_minutes: int, by: Actor
) -> NotificationChannels:
    authorise(by, Permission.TENANT_SETTINGS_MANAGE, None)
    if not 0 <= escalate_minutes <= LONGEST_WAIT:
        raise Invalid(f"From 0 (never) to {LONGEST_WAIT} minutes.", field="escalate_minutes")
    found = locked_channels()
    before = {name: getattr(found, name) for name in OF_TENANT}
    found.ntfy_server = _address(ntfy_server, "ntfy_server").rstrip("/")
    if found.ntfy_server != before["ntfy_server"]:
        found.ntfy_token_id = None  # a token is for one server
    found.webhook_url = _address(webhook_url, "webhook_url")
    found.webhook_severities = _severities(webhook_severities, "webhook_severities")
    found.escalate_minutes = escalate_minutes
    found.save()
    after = {name: getattr(found, name) for name in OF_TENANT}
    if after != before:
        body = {"before": _without_paths(before), "after": _without_paths(after)}
        record(EventKind.NOTIFICATION_CHANNELS_SET, actor=by, subject=("tenant", found.pk, ""), body=body)
    return found


@transaction.atomic
def rotate_secret(*, replaces: str, by: Actor) -> tuple[NotificationChannels, str]:
    """The new one is told once, the old one signs nothing more. `replaces`: its mark, so that a reload does nothing."""
    authorise(by, Permission.TENANT_SETTINGS_MANAGE, None)
    found = locked_channels()
    if replaces != found.webhook_mark:
        raise Conflict("The secret was replaced meanwhile. Load the page again.", code="secret_rotated")
    found.webhook_generation = secrets.token_hex(16)
    secret = secret_of(found.tenant_id, found.webhook_generation)
    found.webhook_mark = mark_of(secret)
    found.save()
    record(EventKind.NOTIFICATION_SECRET_ROTATED, actor=by, subject=("tenant", found.pk, ""))
    return found, shown(secret)


def locked_channels() -> NotificationChannels:
    """Made if it is the first time."""
    NotificationChannels.objects.bulk_create([NotificationChannels()], ignore_conflicts=True)
    return NotificationChannels.objects.select_for_update().get()


def _address(url: str, field: str) -> str:
    """The worker looks at where it leads each time; here it is only asked whether it could lead anywhere."""
    url = url.strip()
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    plain = bool(settings.NOTIFY_NETWORKS)  # http only where the deployment has listed networks
    schemes = {"https", "http"} if plain else {"https"}
    if not named or parts.scheme not in schemes or parts.username or parts.fragment:
        raise Invalid("Give the whole address, with https:// and without a user's name.", field=field)
    return url


def _without_paths(values: dict[str, Any]) -> dict[str, Any]:
    """A webhook's path is often a secret of its receiver: the log has the host."""
    return values | {"webhook_url": urlsplit(values["webhook_url"]).hostname or ""}
