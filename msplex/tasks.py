"""Tasks of the composition root: the gateway's, and the nightly check of the log."""

from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.db import transaction

from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tenants.sweeping import Question, for_each_in_turn, for_those_with

CHECK_SECONDS = 6 * 3600


@shared_task(name="gateway.sweep_lost_calls", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_lost_calls() -> None:
    """Started by beat: calls whose broker died are said to have an unknown outcome, never left running."""
    from msplex.execution import LOST_AFTER, give_up_lost_calls  # noqa: PLC0415

    for_those_with(Question("lost_calls", (datetime.now(UTC) - LOST_AFTER,)), give_up_lost_calls)


@shared_task(name="gateway.sweep_names", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_names() -> None:
    """Started by beat: what calls were named by, and what was kept of their results, ends."""
    from msplex import kept  # noqa: PLC0415 - leaves, as everywhere
    from msplex.gateway import repeating  # noqa: PLC0415

    now = datetime.now(UTC)
    ends = (now - repeating.KEPT, now - repeating.RESULT_KEPT, now - kept.KEPT)
    for_those_with(Question("old_names", ends), repeating.forget, kept.forget_answers)


@shared_task(  # type: ignore[untyped-decorator]
    name="audit.check_logs", base=PlainTask, process=Process.WORKER, time_limit=CHECK_SECONDS
)
def check_logs() -> None:
    """Started by beat, at night."""
    from audit.nightly import check_every_log  # noqa: PLC0415 - what it needs is needed once a day

    check_every_log()


@shared_task(name="audit.watch_lag", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def watch_lag() -> None:
    """Started by beat: a log that is not sealed in time raises an alert."""
    from audit.watching import watch_lag as watch  # noqa: PLC0415 - a leaf, as everywhere

    watch()


@shared_task(name="billing.sample_gauges", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sample_gauges() -> None:
    """Started by beat, every minute, and comes to each tenant once in a quarter of an hour: what billing reports at its
    peak, with what it cannot see itself."""
    from billing.gauges import sample_gauges as sample  # noqa: PLC0415 - leaves, as everywhere
    from billing.meters import Meter  # noqa: PLC0415
    from connectors.models import ConnectorInstance  # noqa: PLC0415

    @transaction.atomic
    def work(now: datetime) -> None:
        instances = ConnectorInstance.objects.exclude(state=ConnectorInstance.State.DRAFT).count()
        sample(now, of_others={Meter.CONNECTOR_INSTANCES: instances})

    for_each_in_turn("billing.sample_gauges", work, every=timedelta(minutes=15))
