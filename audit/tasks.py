"""Packs and alerts. Everything here is safe to run again at any time."""

import logging
from datetime import UTC, datetime
from uuid import UUID

from celery import Task, shared_task

from tenants.ids import uuid7_floor
from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tenants.sweeping import Question, for_those_with

logger = logging.getLogger(__name__)
BUILD_SECONDS = 900


@shared_task(  # type: ignore[untyped-decorator]
    name="audit.build_pack", process=Process.WORKER, bind=True, time_limit=BUILD_SECONDS
)
def build_pack(self: Task, pack_id: str) -> None:
    from audit.packs.work import build  # noqa: PLC0415 - a leaf: services enqueue it

    again = bool((self.request.delivery_info or {}).get("redelivered"))
    with acting_for(Context(acting_tenant())):  # whoever asked for it may see less than the pack needs
        build(UUID(pack_id), again=again)


@shared_task(name="audit.cut_packs", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def cut_packs() -> None:
    """Started by beat, every few minutes: the packs of the months that are over, and those that nobody goes on with."""
    from audit.packs.cutting import begin_of, cut_due, month_of  # noqa: PLC0415
    from audit.packs.work import unfinished  # noqa: PLC0415

    def work(now: datetime) -> None:
        cut_due(now)
        for pack in unfinished(now):
            build_pack.delay(pack_id=str(pack))

    now = datetime.now(UTC)
    for_those_with(Question("packs", (now, begin_of(month_of(now)))), work)


@shared_task(name="audit.sweep_alerts", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_alerts() -> None:
    """Started by beat: what happened again is counted in its alert; what fell between two writers is raised."""
    from audit import alerts, sweeping  # noqa: PLC0415 - leaves, as everywhere

    now = datetime.now(UTC)
    hits = Question("alert_hits", (uuid7_floor(now - sweeping.KEPT), uuid7_floor(now - alerts.WINDOW)))
    for_those_with(hits, sweeping.sweep_alerts)
