from datetime import UTC, datetime
from uuid import UUID

from celery import shared_task

from tenants.isolation.context import Context, acting_for, acting_tenant
from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tenants.sweeping import Question, for_those_with


@shared_task(name="identity.deliver_mail", process=Process.WORKER)  # type: ignore[untyped-decorator]
def deliver_mail(mail_id: str) -> None:
    from identity.services import deliver  # noqa: PLC0415 - a leaf: services enqueue it

    with acting_for(Context(acting_tenant())):  # whoever wrote the message may see less than the worker
        deliver(UUID(mail_id))


@shared_task(name="identity.tell_of_alerts", process=Process.WORKER)  # type: ignore[untyped-decorator]
def tell_of_alerts() -> None:
    """Asked for by whoever has just raised one (audit.raising)."""
    from identity.services import tell_of_open_alerts  # noqa: PLC0415 - a leaf: services enqueue tasks

    with acting_for(Context(acting_tenant())):  # whoever raised it may see less than the worker
        tell_of_open_alerts()


@shared_task(name="identity.sweep_ended_roles", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_ended_roles() -> None:
    """Started by beat: roles that ended by themselves lose the rows that django-guardian reads."""
    from identity.services import forget_ended_roles  # noqa: PLC0415 - a leaf: services enqueue tasks

    for_those_with(Question("ended_roles", (datetime.now(UTC),)), lambda _now: forget_ended_roles())


@shared_task(name="identity.sweep_sessions", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_sessions() -> None:
    """Started by beat: sessions that ended by themselves say how; challenges that are too old to be answered go."""
    from identity import surveys  # noqa: PLC0415
    from identity.services import expire_sessions, forget_challenges  # noqa: PLC0415 - a leaf: services enqueue tasks

    for_those_with(surveys.overdue_sessions(datetime.now(UTC)), expire_sessions, forget_challenges)


@shared_task(name="identity.sweep_mail", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_mail() -> None:
    """Started by beat: what is due for another try, or whose message to the queue was lost."""
    from identity.services import enqueue_due_mail, tell_of_open_alerts  # noqa: PLC0415

    def tell(_now: datetime) -> None:
        tell_of_open_alerts()

    def send(_now: datetime) -> None:
        enqueue_due_mail()

    for_those_with(Question("mail", (datetime.now(UTC),)), tell, send)


@shared_task(name="identity.sweep_oauth", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_oauth() -> None:
    """Started by beat: codes, refresh tokens and assertions that nobody could use twice any more go."""
    from identity import surveys  # noqa: PLC0415
    from identity.services import forget_agent_sessions, forget_assertions  # noqa: PLC0415

    for_those_with(surveys.old_agent_sessions(datetime.now(UTC)), forget_agent_sessions, forget_assertions)


@shared_task(name="identity.sweep_leftovers", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_leftovers() -> None:
    """Started by beat: links that are over, messages long gone, tries that are forgotten."""
    from identity import surveys  # noqa: PLC0415
    from identity.services import forget_leftovers  # noqa: PLC0415 - a leaf: services enqueue tasks

    for_those_with(surveys.left_over(datetime.now(UTC)), forget_leftovers)


@shared_task(name="identity.check_handover_domain", process=Process.WORKER)  # type: ignore[untyped-decorator]
def check_handover_domain(domain_id: str) -> None:
    from identity.services import check_domain  # noqa: PLC0415 - a leaf: services enqueue it

    with acting_for(Context(acting_tenant())):
        check_domain(UUID(domain_id))


@shared_task(name="identity.sweep_handover_domains", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_handover_domains() -> None:
    """Started by beat: whether the domains of handovers are still the tenants' own."""
    from identity import surveys  # noqa: PLC0415
    from identity.services import domains_to_check  # noqa: PLC0415

    def work(now: datetime) -> None:
        for domain in domains_to_check(now):
            check_handover_domain.delay(domain_id=str(domain))

    for_those_with(surveys.handovers(datetime.now(UTC)), work)
