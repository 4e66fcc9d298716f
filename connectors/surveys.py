"""The questions of this app's sweeps: of which tenants anything is due (tenants.sweeping; msplex/migrations)."""

from datetime import UTC, datetime, timedelta

from connectors import clients, signals
from connectors.catalogue import all_connectors
from connectors.errors import RETRYABLE
from connectors.imported import dry_runs
from connectors.noticing import WARNINGS
from connectors.own_state import FRESH
from connectors.readiness import FRESH_INTERVALS, has_credential_for_all
from connectors.selectors import LATE, NUDGED_EVERY, connectors_with_signals
from tenants.sweeping import Question

# Before its list is a day old each connection comes to the minute that is its own.
_SOON = timedelta(minutes=10)


def checks(now: datetime) -> Question:
    entries = all_connectors()
    keys, seconds = [entry.key for entry in entries], [entry.health_interval for entry in entries]
    return Question("checks", (now, LATE, keys, seconds))


def client_lists(now: datetime) -> Question:
    listing = [entry.key for entry in all_connectors() if has_credential_for_all(entry)]
    times = (now, now - clients.DAY + _SOON, now - clients.RETRY)
    return Question("client_lists", (*times, listing, sorted(RETRYABLE)))


def something_to_notice(now: datetime) -> Question:
    entries = all_connectors()
    fresh = [now - FRESH_INTERVALS * timedelta(seconds=entry.health_interval) for entry in entries]
    today = now.astimezone(UTC).date()
    keys = [entry.key for entry in entries]
    return Question("something_to_notice", (now, keys, fresh, now - FRESH, today, list(WARNINGS)))


def pulls(now: datetime) -> Question:
    return Question("pulls", (now, now - signals.EVERY, now - NUDGED_EVERY, connectors_with_signals()))


def readings(now: datetime) -> Question:
    telling = [entry.key for entry in all_connectors() if entry.billed is not None and has_credential_for_all(entry)]
    return Question("readings", (now, telling))


def discoveries(now: datetime) -> Question:
    offering = [entry.key for entry in all_connectors() if entry.offers is not None]
    return Question("discoveries", (now, now - dry_runs.KEPT, offering))
