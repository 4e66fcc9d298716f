"""Whether sealing keeps up. A sealer that is gone says nothing, so somebody else has to look."""

import logging
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.lag import RISKY_STOP_SECONDS, lag, lag_of_all
from audit.services import record
from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)
WATCHER = system("watch over the log's sealing")


def watch_sealing() -> int:
    """Raises an alert with each tenant whose log waits too long; how many there were. One question while none does."""
    with transaction.atomic():
        if lag_of_all() <= RISKY_STOP_SECONDS:
            return 0
        tenants = active_tenants()
    return _tell_each(tenants)


def _tell_each(tenants: Sequence[UUID]) -> int:
    late = 0
    for tenant in tenants:
        with acting_for(Context(tenant)), transaction.atomic():
            seconds = lag()
            if seconds > RISKY_STOP_SECONDS:
                late += 1
                record(EventKind.AUDIT_LAGGING, actor=WATCHER, result="failed", body={"seconds": round(seconds)})
    logger.error("alert: the logs of %s tenants are not sealed in time", late)
    return late
