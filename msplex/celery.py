"""The Celery application: one queue for each process that runs tasks."""

import os
import sys
from logging.config import dictConfig
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, before_task_publish, setup_logging, worker_init, worker_process_init
from django.conf import settings
from django.db import connection

from msplex.broker import prepare
from msplex.pulse import PULSE
from msplex.tracing import begin_tracing
from tenants.counting import take_row
from tenants.process import Process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
# `make check` runs Django's checks; here they would load the portal into the broker.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("msplex", task_cls="tenants.isolation.tasks:TenantTask")
app.conf.update(settings.CELERY)
# Tasks give their connection back to the process's pool themselves; Celery would tear the pool down after each task.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize
app.autodiscover_tasks()


def _every(schedule: float | crontab, task: str, queue: Process = Process.WORKER, **options: Any) -> dict[str, Any]:
    """An entry of the schedule: so many seconds, or times of the clock (UTC)."""
    return {"task": task, "schedule": schedule, "options": {"queue": queue.value, **options}}


app.conf.beat_schedule = {
    "approvals.expire_requests": _every(60.0, "approvals.expire_requests"),
    "approvals.follow_log": _every(15.0, "approvals.follow_log", expires=15),
    "approvals.sweep_notifications": _every(30.0, "approvals.sweep_notifications", expires=30),
    "approvals.forget_notifications": _every(600.0, "approvals.forget_notifications"),
    "audit.cut_packs": _every(crontab(minute="2-59/10"), "audit.cut_packs"),
    "audit.check_logs": _every(crontab(hour=3, minute=17), "audit.check_logs"),
    "audit.watch_lag": _every(20.0, "audit.watch_lag"),
    "audit.sweep_alerts": _every(60.0, "audit.sweep_alerts"),
    "billing.roll_up": _every(60.0, "billing.roll_up"),
    "billing.sample_gauges": _every(60.0, "billing.sample_gauges"),
    "billing.sweep_files": _every(60.0, "billing.sweep_files"),
    "billing.warn_of_quota": _every(60.0, "billing.warn_of_quota"),
    "connectors.sweep_health": _every(60.0, "connectors.sweep_health"),
    "connectors.sweep_clients": _every(crontab(minute="4-59/10"), "connectors.sweep_clients"),
    "connectors.watch": _every(60.0, "connectors.watch"),
    "connectors.sweep_signals": _every(60.0, "connectors.sweep_signals"),
    "connectors.sweep_billed": _every(crontab(minute="6-51/15"), "connectors.sweep_billed"),
    "connectors.forget_arguments": _every(60.0, "connectors.forget_arguments"),
    "connectors.keep_keys": _every(60.0, "connectors.keep_keys", queue=Process.BROKER, expires=60),
    "gateway.sweep_lost_calls": _every(60.0, "gateway.sweep_lost_calls"),
    "gateway.sweep_names": _every(3600.0, "gateway.sweep_names"),
    "identity.sweep_handover_domains": _every(3600.0, "identity.sweep_handover_domains"),
    "connectors.sweep_discoveries": _every(24 * 3600.0, "connectors.sweep_discoveries"),
    "identity.sweep_ended_roles": _every(60.0, "identity.sweep_ended_roles"),
    "identity.sweep_sessions": _every(60.0, "identity.sweep_sessions"),
    "identity.sweep_oauth": _every(3600.0, "identity.sweep_oauth"),
    "identity.sweep_mail": _every(30.0, "identity.sweep_mail"),
    "identity.sweep_leftovers": _every(3600.0, "identity.sweep_leftovers"),
    "tenants.make_partitions": _every(6 * 3600.0, "tenants.make_partitions"),
}


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _count_by_itself(**_: Any) -> None:
    """A child's place among its siblings; whoever follows it when it ends has the same."""
    from billiard import current_process  # noqa: PLC0415 - Celery's own multiprocessing

    take_row(1 + current_process().index)
    begin_tracing()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log_as_everybody(**_: Any) -> None:
    """By its presence: Celery leaves the log to whoever is connected here."""
    dictConfig(settings.LOGGING)


@before_task_publish.connect  # type: ignore[untyped-decorator]
def _tick(**_: Any) -> None:
    """Beat sends something at least every 20 seconds; nobody else's pulse is felt here."""
    if settings.MSPLEX_PROCESS == "beat":
        PULSE.feel()


@worker_init.connect  # type: ignore[untyped-decorator]
@beat_init.connect  # type: ignore[untyped-decorator]
def _check(**_: Any) -> None:
    from msplex.guard import check_process  # noqa: PLC0415 - needs the apps
    from msplex.metrics.serving import serve_metrics  # noqa: PLC0415

    check_process()
    serve_metrics()
    if settings.MSPLEX_PROCESS == "broker":
        prepare()  # before its children are forked from it
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's; its threads would not survive the fork; each child makes its own
