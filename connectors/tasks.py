from datetime import UTC, datetime, timedelta
from uuid import UUID

from celery import shared_task

from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tenants.sweeping import for_each_in_turn, for_those_with


@shared_task(name="connectors.check_instance", process=Process.BROKER)  # type: ignore[untyped-decorator]
def check_instance(instance_id: str) -> None:
    from connectors.services import check_health  # noqa: PLC0415 - a leaf: services enqueue it

    check_health(UUID(instance_id))


@shared_task(name="connectors.check_own_credential", process=Process.BROKER)  # type: ignore[untyped-decorator]
def check_own_credential(own_id: str) -> None:
    from connectors.own_credentials import check_own  # noqa: PLC0415 - a leaf, like the above

    check_own(UUID(own_id))


@shared_task(name="connectors.discover_tools", process=Process.BROKER)  # type: ignore[untyped-decorator]
def discover_tools(instance_id: str) -> None:
    from connectors.imported.discovery import discover  # noqa: PLC0415 - a leaf, like the above

    discover(UUID(instance_id))


@shared_task(name="connectors.run_dry", process=Process.BROKER)  # type: ignore[untyped-decorator]
def run_dry(run_id: str) -> None:
    from connectors.imported.dry_runs import carry_out  # noqa: PLC0415 - it enqueues this

    carry_out(UUID(run_id))


@shared_task(name="connectors.sweep_discoveries", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_discoveries() -> None:
    """Started by beat: what the servers of every tenant offer; and dry runs of yesterday are forgotten."""
    from connectors import surveys  # noqa: PLC0415
    from connectors.imported.discovery import enqueue_discoveries  # noqa: PLC0415
    from connectors.imported.dry_runs import forget_old_runs  # noqa: PLC0415

    for_those_with(surveys.discoveries(datetime.now(UTC)), enqueue_discoveries, forget_old_runs)


@shared_task(name="connectors.sweep_health", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_health() -> None:
    """Started by beat: whatever is due, of every tenant."""
    from connectors import surveys  # noqa: PLC0415
    from connectors.own_credentials import enqueue_due_own_checks  # noqa: PLC0415
    from connectors.services import enqueue_due_checks  # noqa: PLC0415

    for_those_with(surveys.checks(datetime.now(UTC)), enqueue_due_checks, enqueue_due_own_checks)


@shared_task(name="connectors.fetch_clients", process=Process.BROKER)  # type: ignore[untyped-decorator]
def fetch_clients(instance_id: str) -> None:
    from connectors import clients  # noqa: PLC0415 - it enqueues this

    clients.fetch_clients(UUID(instance_id), datetime.now(UTC))


@shared_task(name="connectors.sweep_clients", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_clients() -> None:
    """Started by beat: lists of clients that are a day old or were asked for, of every tenant."""
    from connectors import surveys  # noqa: PLC0415
    from connectors.clients import enqueue_due_fetches  # noqa: PLC0415

    for_those_with(surveys.client_lists(datetime.now(UTC)), enqueue_due_fetches)


@shared_task(name="connectors.watch", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def watch() -> None:
    """Started by beat: what nobody does, such as a check that was not made, is told all the same."""
    from connectors import surveys  # noqa: PLC0415
    from connectors.noticing import notice  # noqa: PLC0415

    for_those_with(surveys.something_to_notice(datetime.now(UTC)), notice)


@shared_task(name="connectors.pull_signals", process=Process.BROKER)  # type: ignore[untyped-decorator]
def pull_signals(instance_id: str) -> None:
    from connectors.signals import pull_signals as pull  # noqa: PLC0415 - a leaf: it enqueues this

    pull(UUID(instance_id))


@shared_task(name="connectors.sweep_signals", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_signals() -> None:
    """Started by beat: whoever has not been asked lately is, and what has been over for long is forgotten."""
    from connectors import surveys  # noqa: PLC0415
    from connectors.signals import enqueue_due_pulls, forget_old_signals  # noqa: PLC0415

    for_those_with(surveys.pulls(datetime.now(UTC)), enqueue_due_pulls)
    for_each_in_turn("connectors.forget_signals", forget_old_signals, every=timedelta(hours=6))


@shared_task(name="connectors.read_billed", process=Process.BROKER)  # type: ignore[untyped-decorator]
def read_billed(instance_id: str) -> None:
    from connectors.billed import read_billed as read  # noqa: PLC0415 - a leaf: it enqueues this

    read(UUID(instance_id))


@shared_task(name="connectors.sweep_billed", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def sweep_billed() -> None:
    """Started by beat: customers whose agreements were not read in the last day, of every tenant."""
    from connectors import surveys  # noqa: PLC0415
    from connectors.billed import enqueue_due_readings  # noqa: PLC0415

    for_those_with(surveys.readings(datetime.now(UTC)), enqueue_due_readings)


@shared_task(name="connectors.forget_arguments", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def forget_arguments() -> None:
    """Started by beat, every minute, and comes to each tenant once a day: the plan's days of some calls are over."""
    from connectors.retention import forget_arguments as forget  # noqa: PLC0415

    for_each_in_turn("connectors.forget_arguments", forget, every=timedelta(days=1))


@shared_task(name="connectors.keep_keys", base=PlainTask, process=Process.BROKER)  # type: ignore[untyped-decorator]
def keep_keys() -> None:
    """Started by beat: keys that are due, and the next minute's share of a re-keying."""
    from connectors import upkeep  # noqa: PLC0415 - with the key ring

    upkeep.keep_keys(datetime.now(UTC))
