"""What happens by itself. Everything here is safe to run again at any time."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

from celery import Task, shared_task

from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tenants.sweeping import Question, for_each_in_turn, for_those_with

logger = logging.getLogger(__name__)
ROLLUP_SECONDS = 3600
FILE_SECONDS = 900  # it gives way after a minute; the digests of a very long month are one step


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


@shared_task(name="billing.make_file", process=Process.WORKER, bind=True, time_limit=FILE_SECONDS)  # type: ignore[untyped-decorator]
def make_file(self: Task, file_id: str) -> None:
    from billing.files.work import make  # noqa: PLC0415 - a leaf: services enqueue it

    again = bool((self.request.delivery_info or {}).get("redelivered"))
    with acting_for(Context(acting_tenant())):
        if make(UUID(file_id), again=again):
            make_file.delay(file_id=file_id)


@shared_task(name="billing.sweep_files", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_files() -> None:
    """Started by beat, every minute: files that nobody goes on with, and those that were kept long enough."""
    from billing.files.models import KEPT  # noqa: PLC0415
    from billing.files.work import forget_files, unfinished  # noqa: PLC0415

    def go_on(now: datetime) -> None:
        for file in unfinished(now):
            make_file.delay(file_id=str(file))

    now = datetime.now(UTC)
    for_those_with(Question("files", (now, now - KEPT)), go_on, forget_files)
