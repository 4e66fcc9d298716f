"""The Celery application: one queue for each process that runs tasks."""

import os
import sys
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, worker_init
from django.conf import settings
from django.db import connection

from msplex.broker import prepare

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
# `make check` runs Django's checks; here they would load the portal into the broker.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("msplex", task_cls="tenants.isolation.tasks:TenantTask")
app.conf.update(settings.CELERY)
# Tasks give their connection back to the process's pool themselves; Celery would tear the pool down after each task.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "approvals.expire_requests": {
        "task": "approvals.expire_requests",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "audit.cut_packs": {
        "task": "audit.cut_packs",
        "schedule": crontab(minute="2-59/10"),
        "options": {"queue": "worker"},
    },
    "audit.check_logs": {
        "task": "audit.check_logs",
        "schedule": crontab(hour=3, minute=17),
        "options": {"queue": "worker"},
    },
    "audit.watch_lag": {
        "task": "audit.watch_lag",
        "schedule": 20.0,
        "options": {"queue": "worker"},
    },
    "audit.sweep_alerts": {
        "task": "audit.sweep_alerts",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "billing.roll_up": {
        "task": "billing.roll_up",
        "schedule": crontab(minute=4),
        "options": {"queue": "worker"},
    },
    "billing.roll_up_day": {
        "task": "billing.roll_up",
        "schedule": crontab(hour=0, minute=12),
        "options": {"queue": "worker"},
    },
    "billing.sample_gauges": {
        "task": "billing.sample_gauges",
        "schedule": crontab(minute="1-56/15"),
        "options": {"queue": "worker"},
    },
    "billing.warn_of_quota": {
        "task": "billing.warn_of_quota",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "connectors.sweep_health": {
        "task": "connectors.sweep_health",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "connectors.sweep_clients": {
        "task": "connectors.sweep_clients",
        "schedule": crontab(minute="4-59/10"),
        "options": {"queue": "worker"},
    },
    "connectors.watch": {
        "task": "connectors.watch",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "connectors.sweep_signals": {
        "task": "connectors.sweep_signals",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "connectors.keep_keys": {
        "task": "connectors.keep_keys",
        "schedule": 60.0,
        "options": {"queue": "broker", "expires": 60},
    },
    "gateway.sweep_lost_calls": {
        "task": "gateway.sweep_lost_calls",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "identity.sweep_handover_domains": {
        "task": "identity.sweep_handover_domains",
        "schedule": 3600.0,
        "options": {"queue": "worker"},
    },
    "connectors.sweep_discoveries": {
        "task": "connectors.sweep_discoveries",
        "schedule": 24 * 3600.0,
        "options": {"queue": "worker"},
    },
    "identity.sweep_ended_roles": {
        "task": "identity.sweep_ended_roles",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "identity.sweep_sessions": {
        "task": "identity.sweep_sessions",
        "schedule": 60.0,
        "options": {"queue": "worker"},
    },
    "identity.sweep_oauth": {
        "task": "identity.sweep_oauth",
        "schedule": 3600.0,
        "options": {"queue": "worker"},
    },
    "identity.sweep_mail": {
        "task": "identity.sweep_mail",
        "schedule": 30.0,
        "options": {"queue": "worker"},
    },
    "identity.sweep_leftovers": {
        "task": "identity.sweep_leftovers",
        "schedule": 3600.0,
        "options": {"queue": "worker"},
    },
    "tenants.make_partitions": {
        "task": "tenants.make_partitions",
        "schedule": 6 * 3600.0,
        "options": {"queue": "worker"},
    },
}


@worker_init.connect  # type: ignore[untyped-decorator]
@beat_init.connect  # type: ignore[untyped-decorator]
def _check(**_: Any) -> None:
    from msplex.guard import check_process  # noqa: PLC0415 - needs the apps

    check_process()
    if settings.MSPLEX_PROCESS == "broker":
        prepare()  # before its children are forked from it
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's; its threads would not survive the fork; each child makes its own
