from datetime import UTC, datetime

from celery import shared_task
from django.db import transaction

from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import PlainTask
from tenants.process import Process


@shared_task(name="audit.sweep_alerts", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_alerts() -> None:
    """Started by beat: what happened again is counted in its alert; what fell between two writers is raised."""
    from audit.sweeping import sweep_alerts as sweep  # noqa: PLC0415 - a leaf, as everywhere

    with transaction.atomic():
        tenants = active_tenants()
    for tenant in tenants:
        with acting_for(Context(tenant)):
            sweep(datetime.now(UTC))
