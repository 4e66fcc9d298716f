"""What happens by itself. Everything here is safe to run again at any time."""

import logging
from datetime import UTC, datetime, timedelta

from celery import shared_task

from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tenants.sweeping import Question, for_each_in_turn, for_those_with

logger = logging.getLogger(__name__)
ROLLUP_SECONDS = 3600


@shared_task(  # type: ignore[untyped-decorator]
    name="billing.roll_up", base=PlainTask, process=Process.WORKER, time_limit=ROLLUP_SECONDS
)
def roll_up() -> None:
    """Started by beat, every minute, and comes to each tenant once an hour."""
    from billing.outward import report_outward  # noqa: PLC0415 - leaves, as everywhere
    from billing.rollups import close_months  # noqa: PLC0415
    from billing.rollups import roll_up as roll_up_tenant  # noqa: PLC0415

    def work(now: datetime) -> None:
        roll_up_tenant(now)
        close_months(now)
        report_outward(now)

    for_each_in_turn("billing.roll_up", work, every=timedelta(hours=1))


@shared_task(name="billing.warn_of_quota", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def warn_of_quota() -> None:
    """Started by beat, every minute."""
    from billing import months, quota  # noqa: PLC0415

    near = Question("near_quota", (months.month_of(datetime.now(UTC)), list(quota.LEVELS)))
    for_those_with(near, quota.warn_of_quota)
