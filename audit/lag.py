"""How far sealing is behind: for how long the oldest event has waited to be in a signed checkpoint."""

import time
from typing import Any
from uuid import UUID

from django.db import connection

from audit.errors import AuditUnavailable
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, one

LOOK_SECONDS = 0.5
_MOST_TENANTS = 10_000
_seen: dict[UUID, tuple[float, float]] = {}  # when this process has looked, and what it was
RISKY_STOP_SECONDS = 5.0  # what changes something waits until the log is sealed again
ALL_STOP_SECONDS = 60.0  # whatever is not a look does


def ask_lag(db: Signed) -> Any:
    """Of the acting tenant; read with `lag_of`. This process does not look again and again: see there."""
    seen = _seen.get(acting_tenant())
    if seen and time.monotonic() - seen[0] < LOOK_SECONDS:
        return seen
    return db.ask("SELECT border.audit_lag()")


def lag_of(asked: Any, tenant: UUID) -> float:
    """Seconds, at most: since this process has looked it can have grown by the time that has passed."""
    now = time.monotonic()
    if isinstance(asked, tuple):
        return float(asked[1] + now - asked[0])
    row = one(asked)
    seconds = float(row[0]) if row else 0.0
    if len(_seen) >= _MOST_TENANTS:
        _seen.clear()
    _seen[tenant] = now, seconds
    return seconds


def lag() -> float:
    """`ask_lag` by itself: seconds."""
    return _seconds("SELECT border.audit_lag()")


def lag_of_all() -> float:
    """Over every tenant, in seconds: a number that names none of them."""
    return _seconds("SELECT border.sealing_lag()")


def require_sealing() -> None:
    """For changes: AuditUnavailable while the acting tenant's log has not been sealed for a minute."""
    if lag() > ALL_STOP_SECONDS:
        raise AuditUnavailable


def _seconds(query: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return float(cursor.fetchone()[0])
