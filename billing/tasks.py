"""What happens by itself. Everything here is safe to run again at any time."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from celery import shared_task
from django.db import transaction

from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import PlainTask
from tenants.process import Process

logger = logging.getLogger(__name__)
ROLLUP_SECONDS = 3600


@shared_task(  # type: ignore[untyped-decorator]
    name="billing.roll_up", base=PlainTask, process=Process.WORKER, time_limit=ROLLUP_SECONDS
)
def roll_up() -> None:
    """Started by beat, every hour, and every day once more."""
    from billing.outward import report_outward  # noqa: PLC0415 - leaves, as everywhere
    from billing.rollups import close_months  # noqa: PLC0415
    from billing.rollups import roll_up as roll_up_tenant  # noqa: PLC0415

    def work(now: datetime) -> None:
        roll_up_tenant(now)
        close_months(now)
        report_outward(now)

    _for_every_tenant(work)


@shared_task(name="billing.warn_of_quota", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def warn_of_quota() -> None:
    """Started by beat, every minute."""
    from billing.quota import warn_of_quota as warn  # noqa: PLC0415

    _for_every_tenant(warn)


def _for_every_tenant(work: Callable[[datetime], object]) -> None:
    """What goes wrong with one tenant is no reason to leave the others."""
    with transaction.atomic():
        tenants = active_tenants()
    for tenant in tenants:
        try:
            with acting_for(Context(tenant)):
                work(datetime.now(UTC))
        except Exception:
            logger.exception("alert: the usage of tenant %s could not be worked on; the next run tries again", tenant)
