"""Who is told of what a test does, and the worker's side of telling them."""

import ipaddress
from datetime import UTC, datetime, timedelta

from approvals.models import Delivery, NotificationPreferences
from approvals.notifications.delivering import deliver
from approvals.notifications.settings import set_channels, set_preferences
from identity.models import Mail, RoleBinding
from identity.roles import Role
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import Desk
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_person
from tests.tenants.furnishing import as_administrator

ALL = ["info", "warning", "critical"]
HERE = (ipaddress.ip_network("127.0.0.0/8"),)


def quiet_desk(settings: object) -> Desk:
    """Its agent is answered for by a viewer, so that nobody is told whom the test has not made."""
    settings.NOTIFY_NETWORKS = HERE  # type: ignore[attr-defined]
    world = make_tenant()
    made = Desk(world)
    vera = make_person(world, Role.VIEWER, name="vera")
    made.machine = make_machine(world, owner=vera)
    with as_administrator(), world.acting():
        RoleBinding.objects.exclude(principal_id__in=[vera.id, made.machine.id]).delete()
    return made


def set_up(desk: Desk, **given: object) -> None:
    values = {"ntfy_server": "", "webhook_url": "", "webhook_severities": ALL, "escalate_minutes": 30}
    with desk.world.acting():
        set_channels(**values | given, by=SETUP)  # type: ignore[arg-type]


def prefers(person: Person, **given: object) -> NotificationPreferences:
    values = {
        "email": [], "ntfy": [], "quiet_from": None, "quiet_until": None, "timezone": "UTC",
        "critical_breaks_through": True,
    }  # fmt: skip
    with person.world.acting():
        return set_preferences(**values | given, by=person.actor)  # type: ignore[arg-type]


def rows(desk: Desk) -> list[Delivery]:
    with desk.world.acting():
        return list(Delivery.objects.select_related("notification").order_by("id"))


def send(desk: Desk) -> list[Delivery]:
    """As the worker does, all that is due."""
    with as_role("worker"), acting_for(Context(desk.world.id)):
        for row in [each.pk for each in rows(desk)]:
            deliver(row)
    return rows(desk)


def make_due(desk: Desk) -> None:
    """The pause until the next try is over."""
    with as_administrator(), desk.world.acting():
        Delivery.objects.update(next_try_at=datetime.now(UTC) - timedelta(seconds=1))
        Mail.objects.update(next_try_at=datetime.now(UTC) - timedelta(seconds=1))
