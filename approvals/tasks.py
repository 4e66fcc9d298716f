"""The clocks of requests, what people are told of them, and what the broker does about grants held in advance."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils.module_loading import import_string

from audit.errors import AuditUnavailable
from audit.waiting import await_seal
from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.isolation.tasks import PlainTask
from tenants.metrics import tell_number
from tenants.process import Process
from tenants.sweeping import Question, for_each_in_turn, for_those_with, number_of

SEAL_SECONDS = 3.0


@shared_task(name="approvals.expire_requests", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def expire_requests() -> None:
    """Started by beat: what nobody decided, or ran, in time has expired, and that is on the record."""
    from approvals.held.services import WAITED, expire_late_grants, take_up_again  # noqa: PLC0415 - leaves
    from approvals.services import expire_late_requests  # noqa: PLC0415

    now = datetime.now(UTC)
    late = Question("late_requests", (now, now - WAITED))
    for_those_with(late, expire_late_requests, expire_late_grants, take_up_again)
    tell_number("approvals", number_of("pending_requests"))


@shared_task(name="approvals.issue_grant", process=Process.BROKER)  # type: ignore[untyped-decorator]
def issue_grant(request_id: str) -> None:
    from approvals.held.issuing import issue  # noqa: PLC0415 - a leaf

    issue(UUID(request_id))


@shared_task(name="approvals.read_effects", process=Process.BROKER)  # type: ignore[untyped-decorator]
def read_effects(request_id: str) -> None:
    """By calls of the tool that reads, which the deployment's composition knows how to make."""
    import_string(settings.EFFECTS_READER)(UUID(request_id))


@shared_task(name="approvals.settle_use", process=Process.BROKER)  # type: ignore[untyped-decorator]
def settle_use(use_id: str) -> None:
    from approvals.held.settling import settle  # noqa: PLC0415 - a leaf

    settle(UUID(use_id))


@shared_task(name="approvals.follow_log", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def follow_logs() -> None:
    """Started by beat: what has happened becomes notifications, whatever was not asked for meanwhile."""
    from approvals.notifications.outbox import follow_log  # noqa: PLC0415

    for_those_with(Question("unread_log"), lambda _now: follow_log())


@shared_task(name="approvals.tell", process=Process.WORKER)  # type: ignore[untyped-decorator]
def tell_soon(event_id: str) -> None:
    """Asked for where somebody waits for people: as soon as the event is sealed. The sweep does what this does not."""
    from approvals.notifications.outbox import follow_log  # noqa: PLC0415

    with acting_for(Context(acting_tenant())):  # whoever asked may see less than the worker
        with suppress(AuditUnavailable):
            await_seal([UUID(event_id)], SEAL_SECONDS)
        follow_log()


@shared_task(name="approvals.deliver", process=Process.WORKER)  # type: ignore[untyped-decorator]
def deliver_notification(delivery_id: str) -> None:
    from approvals.notifications.delivering import deliver  # noqa: PLC0415

    with acting_for(Context(acting_tenant())):
        deliver(UUID(delivery_id))


@shared_task(name="approvals.sweep_notifications", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_notifications() -> None:
    """Started by beat: what is due, or was lost with the queue, is sent; what nobody sees to is passed on."""
    from approvals.notifications.delivering import enqueue_due  # noqa: PLC0415
    from approvals.notifications.escalating import escalate  # noqa: PLC0415

    for_those_with(Question("messages", (datetime.now(UTC),)), escalate, enqueue_due)


@shared_task(name="approvals.forget_notifications", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def forget_notifications() -> None:
    """Started by beat: what people were told three months ago, and how, is kept no longer."""
    from approvals.notifications.forgetting import forget  # noqa: PLC0415

    for_each_in_turn("approvals.forget_notifications", forget, every=timedelta(days=1))
