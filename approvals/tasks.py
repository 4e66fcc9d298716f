"""The clocks of requests."""

from datetime import datetime

from celery import shared_task

from tenants.isolation.tasks import PlainTask
from tenants.metrics import tell_number
from tenants.process import Process
from tenants.sweeping import for_each_tenant


@shared_task(name="approvals.expire_requests", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def expire_requests() -> None:
    """Started by beat: what nobody decided, or ran, in time has expired, and that is on the record."""
    from approvals.services import count_pending, expire_late_requests  # noqa: PLC0415 - leaves

    waiting: list[int] = []

    def work(_now: datetime) -> None:
        expire_late_requests()
        waiting.append(count_pending())

    for_each_tenant(work)
    tell_number("approvals", sum(waiting))
