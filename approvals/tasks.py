"""The clocks of requests."""

from celery import shared_task
from django.db import transaction

from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import PlainTask
from tenants.metrics import tell_number
from tenants.process import Process


@shared_task(name="approvals.expire_requests", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def expire_requests() -> None:
    """Started by beat: what nobody decided, or ran, in time has expired, and that is on the record."""
    from approvals.services import count_pending, expire_late_requests  # noqa: PLC0415 - leaves

    with transaction.atomic():
        tenants = active_tenants()
    waiting = 0
    for tenant in tenants:
        with acting_for(Context(tenant)):
            expire_late_requests()
            waiting += count_pending()
    tell_number("approvals", waiting)
