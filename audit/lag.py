"""How far sealing is behind: for how long the oldest event has waited to be in a signed checkpoint."""

from typing import Any

from django.db import connection

from audit.errors import AuditUnavailable
from tenants.isolation.statements import Signed, one

RISKY_STOP_SECONDS = 5.0  # what changes something waits until the log is sealed again
ALL_STOP_SECONDS = 60.0  # whatever is not a look does


def ask_lag(db: Signed) -> Any:
    """Of the acting tenant; read with `lag_of`."""
    return db.ask("SELECT border.audit_lag()")


def lag_of(cursor: Any) -> float:
    """Seconds."""
    row = one(cursor)
    return float(row[0]) if row else 0.0


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
