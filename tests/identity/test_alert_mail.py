"""What cannot wait is told to those who answer for the tenant: once, and at once."""

import pytest

from audit import raising
from audit.actors import system
from audit.kinds import EventKind
from audit.models import Alert
from audit.services import record
from identity.models import Mail
from identity.roles import Role
from identity.services import disable_principal, tell_of_open_alerts
from identity.tasks import tell_of_alerts
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, make_person


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


def raise_one(world: TenantWorld, kind: EventKind = EventKind.CREDENTIAL_REFUSED) -> None:
    with world.acting(world.customers[0]):
        record(kind, actor=system("broker"), subject=("credential", None, "Halo"), customer_id=world.customers[0].pk)


def told(world: TenantWorld) -> list[str]:
    with as_role("worker"), acting_for(Context(world.id)):
        tell_of_open_alerts()
        tell_of_open_alerts()
    with world.acting():
        return sorted(Mail.objects.filter(template="alert").values_list("recipient", flat=True))


def test_owners_and_admins_are_told_once_and_nobody_else(acme: TenantWorld) -> None:
    owner, admin = make_person(acme, Role.OWNER, name="olivia"), make_person(acme, Role.ADMIN, name="alice")
    gone = make_person(acme, Role.ADMIN, name="gone")
    make_person(acme, Role.OPERATOR, name="bob")
    make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=acme.customers[0])
    with acme.acting():
        disable_principal(gone.id, by=SETUP)
    raise_one(acme)
    raise_one(acme)

    assert told(acme) == sorted([owner.user.email, admin.user.email])
    with acme.acting():
        mail = Mail.objects.filter(template="alert").first()
        assert Alert.objects.get().told_at is not None
    assert mail.context["headline"] == "The opening of a credential was refused"
    assert "/alerts/" in mail.context["address"]


def test_the_task_is_asked_for_once_when_the_alert_opens(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(raising.current_app, "send_task", lambda name, **_: asked.append(name))

    raise_one(acme)
    raise_one(acme)
    raise_one(acme, EventKind.TOKEN_REFUSED)

    assert asked == [tell_of_alerts.name] == [raising.TELL]


def test_without_a_queue_the_event_and_its_alert_are_there(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(raising.current_app, "send_task", fail)
    owner = make_person(acme, Role.OWNER)

    raise_one(acme)

    assert told(acme) == [owner.user.email]
