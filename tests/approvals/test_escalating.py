"""What nobody sees to is passed on, once; and quiet hours hold what can wait, on the clock of who sleeps."""

from datetime import UTC, datetime, time, timedelta

import pytest

from approvals.models import Delivery, Notification, NotificationPreferences, Recipient
from approvals.notifications.escalating import escalate
from approvals.notifications.planning import due_at
from approvals.notifications.services import acknowledge, snooze
from approvals.notifications.settings import set_channels, set_preferences
from audit.kinds import EventKind
from audit.selectors import events
from identity.roles import Role
from tenants.errors import Invalid
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import Desk
from tests.approvals.telling import follow
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import SETUP, Person, make_person
from tests.tenants.furnishing import as_administrator

NIGHT = {"quiet_from": time(22), "quiet_until": time(7), "timezone": "Europe/Berlin"}


@pytest.fixture
def desk() -> Desk:
    return Desk(make_tenant())


def passed_on(desk: Desk, minutes: int = 31) -> int:
    with as_role("worker"), acting_for(Context(desk.world.id)):
        return escalate(datetime.now(UTC) + timedelta(minutes=minutes))


def again(desk: Desk) -> set[tuple[object, str]]:
    with desk.world.acting():
        return set(Delivery.objects.filter(round=1).values_list("person_id", "channel"))


def of(person: Person) -> Recipient:
    with person.world.acting():
        return Recipient.objects.select_related("notification").get(person_id=person.id)


def silent(person: Person) -> None:
    with person.world.acting():
        set_preferences(
            email=[], ntfy=[], quiet_from=None, quiet_until=None, timezone="UTC", critical_breaks_through=True,
            by=person.actor,
        )  # fmt: skip


def test_what_nobody_has_seen_is_passed_on_once_also_to_who_wanted_no_message(desk: Desk) -> None:
    anna = make_person(desk.world, Role.ADMIN, name="anna")
    silent(anna)
    desk.asked()
    follow(desk.world)
    with desk.world.acting():
        assert not Delivery.objects.filter(person_id=anna.id).exists()

    assert passed_on(desk, 29) == 0
    assert passed_on(desk) == 1
    assert passed_on(desk) == 0

    assert (anna.id, "email") in again(desk)
    with desk.world.acting():
        assert Notification.objects.get().escalated_at is not None
        assert events().filter(kind=EventKind.NOTIFICATION_PASSED_ON).count() == 1


@pytest.mark.parametrize("seen", ["acknowledged", "put off"])
def test_what_somebody_sees_to_is_not_passed_on(desk: Desk, seen: str) -> None:
    anna = make_person(desk.world, Role.ADMIN)
    desk.asked()
    follow(desk.world)
    row = of(anna)
    with desk.world.acting():
        if seen == "acknowledged":
            acknowledge(row, by=anna.actor)
        else:
            snooze(row, how_long="1h", by=anna.actor)

    assert passed_on(desk) == 0


def test_who_became_an_approver_meanwhile_is_told_and_who_asked_is_not(desk: Desk) -> None:
    bob = make_person(desk.world, Role.ADMIN, name="bob")
    desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    follow(desk.world)
    late = make_person(desk.world, Role.OPERATOR, name="late")

    passed_on(desk)

    told = {person for person, _ in again(desk)}
    assert late.id in told
    assert bob.id not in told
    assert of(late).notification.kind == "approval_needed"


def test_what_was_answered_to_one_person_is_not_passed_on_to_others(desk: Desk) -> None:
    bob = make_person(desk.world, Role.OPERATOR, name="bob")
    with as_administrator(), desk.world.acting():
        now = datetime.now(UTC)
        made = Notification.objects.create(
            kind="approval_rejected", severity="warning", key="tests", shared=False, title="x", text="x",
            place="approval", event_id=bob.id, first_at=now, last_at=now, customer=desk.world.customers[0],
        )  # fmt: skip
        Recipient.objects.create(notification=made, person_id=bob.id)

    assert passed_on(desk) == 0


def test_a_tenant_that_wants_none_has_none(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN)
    with desk.world.acting():
        set_channels(ntfy_server="", webhook_url="", webhook_severities=[], escalate_minutes=0, by=SETUP)
    desk.asked()
    follow(desk.world)

    assert passed_on(desk, 10_000) == 0


@pytest.mark.parametrize(("now", "due"), [
    ("2026-11-28T20:59:00Z", "2026-11-28T20:59:00Z"),  # 21:59 in Berlin
    ("2026-11-28T21:00:00Z", "2026-11-29T06:00:00Z"),
    ("2026-11-29T02:00:00Z", "2026-11-29T06:00:00Z"),
    ("2026-11-29T06:00:00Z", "2026-11-29T06:00:00Z"),
    ("2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"),  # the clock goes back in that night: 7 is 6 UTC, not 5
    ("2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"),  # and forward in this one
])  # fmt: skip
def test_quiet_hours_are_over_when_the_clock_on_the_wall_says_so(now: str, due: str) -> None:
    wish = NotificationPreferences(person_id=SETUP.id, tenant_id=None, **NIGHT)

    assert due_at(wish, "warning", datetime.fromisoformat(now)) == datetime.fromisoformat(due)


def test_what_is_critical_comes_through_unless_it_must_not() -> None:
    now = datetime.fromisoformat("2026-11-29T02:00:00Z")
    wish = NotificationPreferences(person_id=None, tenant_id=None, **NIGHT)

    assert due_at(wish, "critical", now) == now
    wish.critical_breaks_through = False
    assert due_at(wish, "critical", now) > now


def test_quiet_hours_by_day_end_on_that_day() -> None:
    wish = NotificationPreferences(tenant_id=None, quiet_from=time(9), quiet_until=time(17), timezone="UTC")

    assert due_at(wish, "info", datetime(2026, 11, 28, 12, tzinfo=UTC)) == datetime(2026, 11, 28, 17, tzinfo=UTC)
    assert due_at(wish, "info", datetime(2026, 11, 28, 18, tzinfo=UTC)) == datetime(2026, 11, 28, 18, tzinfo=UTC)


@pytest.mark.parametrize(("given", "field"), [
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"quiet_from": time(22)}, "quiet_until"),
    ({"email": ["urgent"]}, "email"),
])  # fmt: skip
def test_a_wish_that_cannot_be_meant_is_refused_with_its_field(desk: Desk, given: dict, field: str) -> None:
    anna = make_person(desk.world, Role.ADMIN)
    values = {
        "email": [], "ntfy": [], "quiet_from": None, "quiet_until": None, "timezone": "UTC",
        "critical_breaks_through": True,
    }  # fmt: skip

    with pytest.raises(Invalid) as refused, desk.world.acting():
        set_preferences(**values | given, by=anna.actor)

    assert refused.value.field == field
