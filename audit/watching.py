"""Says, in the log itself, that the log is not sealed in time: so that somebody is told."""

from django.db import transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.lag import RISKY_STOP_SECONDS, lag, lag_of_all
from audit.services import record
from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for
from tenants.metrics import tell_number

WATCH = system("watch over the log")


def watch_lag() -> None:
    """Of every tenant; one number first, because nearly always there is nothing to say."""
    with transaction.atomic():
        longest = lag_of_all()
        tenants = active_tenants() if longest > RISKY_STOP_SECONDS else []
    tell_number("sealing_lag", longest)
    for tenant in tenants:
        with acting_for(Context(tenant)), transaction.atomic():
            seconds = lag()
            if seconds > RISKY_STOP_SECONDS:
                body = {"alert": True, "seconds": int(seconds)}
                record(EventKind.AUDIT_BEHIND, actor=WATCH, result="failed", body=body)
