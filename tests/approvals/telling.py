"""The worker's side of notifications: read the log as far as it is sealed, and see what came of it."""

from uuid import UUID

from approvals.models import Notification, Recipient
from approvals.notifications.outbox import follow_log
from audit.models import Event
from audit.waiting import await_seal
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import TenantWorld


def sealed(world: TenantWorld) -> None:
    """Returns when all that the tenant's log has is sealed."""
    with world.acting():
        last = list(Event.objects.order_by("-id").values_list("id", flat=True)[:20])
    with acting_for(Context(world.id)):
        await_seal(last, 20)


def follow(world: TenantWorld) -> int:
    """As the worker does; how many events were taken."""
    sealed(world)
    with as_role("worker"), acting_for(Context(world.id)):
        return follow_log()


def told(world: TenantWorld) -> dict[str, list[UUID]]:
    """Of each kind of notification, whom it is for."""
    found: dict[str, list[UUID]] = {}
    with world.acting():
        for row in Recipient.objects.select_related("notification").order_by("person_id"):
            found.setdefault(row.notification.kind, []).append(row.person_id)
    return found


def notification(world: TenantWorld, kind: str) -> Notification:
    with world.acting():
        return Notification.objects.get(kind=kind)
