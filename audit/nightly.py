"""Every night every log is recomputed."""

import logging

from django.db import transaction

from audit.actors import system
from audit.fsck import Numbers, Wrong, check_tenant, gaps
from audit.kinds import EventKind
from audit.services import record
from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)
CHECKER = system("nightly check of the log")
SAID = 20  # things that one event tells of


def check_every_log() -> None:
    """What is wrong is an event that alerts, and a line for the operator."""
    numbers: Numbers = {}
    with transaction.atomic():
        tenants = active_tenants()
    for tenant in tenants:
        found = check_tenant(tenant)
        for boot, seen in found.numbers.items():
            numbers.setdefault(boot, set()).update(seen)
        if found.wrong:
            with acting_for(Context(tenant)), transaction.atomic():
                _say(found.wrong)
    for gap in gaps(numbers):
        logger.error("alert: the audit log has a gap: %s", gap)


def _say(wrong: list[Wrong]) -> None:
    logger.error("alert: the audit log is not what was recorded: %s", "; ".join(map(str, wrong[:SAID])))
    body = {"alert": True, "count": len(wrong), "wrong": [str(each) for each in wrong[:SAID]]}
    record(EventKind.AUDIT_CHECK_FAILED, actor=CHECKER, result="failed", body=body)
