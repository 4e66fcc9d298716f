"""What people were told goes after three months, with what hangs on it; what waits stays; nothing is told again."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from approvals.models import Delivery, Notification, NotificationCursor, NotificationEvent, Recipient
from approvals.notifications import forgetting, outbox
from approvals.tasks import forget_notifications
from audit.actors import CallRef, system
from audit.kinds import EventKind
from audit.services import record
from identity.roles import Role
from tenants.isolation.context import Context, acting_for
from tenants.process import Process
from tests.approvals.asking import Desk
from tests.approvals.telling import follow
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Person, make_person

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=91), NOW - timedelta(days=89)
State = Notification.State


@pytest.fixture
def anna() -> Person:
    return make_person(make_tenant(), Role.ADMIN, name="anna")


def told(person: Person, at: datetime, *, state: str = State.CLOSED, kind: str = "approval_rejected", place="approval"):
    """One that was made, and ended if it has, at that time; with a delivery."""
    ended = None if state == State.OPEN else at
    with as_role("worker"), person.world.acting():
        made = Notification.objects.create(
            kind=kind, severity="info", key=f"{kind}:{at}:{state}:{place}", shared=False, title="x", text="x",
            place=place, event_id=UUID(int=1), first_at=at, last_at=at, state=state, ended_at=ended,
        )  # fmt: skip
        Recipient.objects.create(notification=made, person_id=person.id)
        Delivery.objects.create(notification=made, person_id=person.id, channel="email", next_try_at=at, state="sent")
    return made


def forgot(world: TenantWorld, now: datetime = NOW) -> int:
    with as_role("worker"), acting_for(Context(world.id)):
        return forgetting.forget(now)


def left(world: TenantWorld) -> set[UUID]:
    with as_role("worker"), world.acting():
        kept = set(Notification.objects.values_list("id", flat=True))
        assert set(Recipient.objects.values_list("notification_id", flat=True)) == kept
        assert set(Delivery.objects.values_list("notification_id", flat=True)) == kept
    return kept


@pytest.mark.parametrize("state", [State.CLOSED, State.ACKNOWLEDGED])
def test_what_is_over_goes_after_three_months_with_its_messages(anna: Person, state: str) -> None:
    told(anna, OLD, state=state)
    young = told(anna, YOUNG, state=state)

    assert forgot(anna.world) == 1
    assert left(anna.world) == {young.pk}


def test_what_has_ended_lately_stays_however_long_ago_it_began(anna: Person) -> None:
    made = told(anna, OLD)
    with as_role("worker"), anna.world.acting():
        Notification.objects.filter(id=made.pk).update(ended_at=YOUNG)

    assert forgot(anna.world) == 0


def test_what_waits_for_somebody_stays_and_what_only_says_how_it_went_does_not(anna: Person) -> None:
    told(anna, OLD, state=State.OPEN, kind="approved_call_ran")
    again = told(anna, OLD, state=State.OPEN, kind="approved_call_failed")
    with as_role("worker"), anna.world.acting():
        Notification.objects.filter(id=again.pk).update(last_at=YOUNG)
    waiting = [
        told(anna, OLD, state=State.OPEN, kind="audit_lag", place="alert"),
        told(anna, OLD, state=State.OPEN, kind="approval_needed"),
        told(anna, OLD, state=State.OPEN, kind="approval_given"),
    ]

    assert forgot(anna.world) == 1
    assert left(anna.world) == {again.pk, *(each.pk for each in waiting)}


def test_it_goes_in_batches_to_the_end_and_of_one_tenant(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    other = make_person(make_tenant(), Role.ADMIN)
    others = told(other, OLD)
    for hours in range(5):
        told(anna, OLD - timedelta(hours=hours))

    assert forgot(anna.world) == 5
    assert left(other.world) == {others.pk}


def test_the_daily_task_does_it(anna: Person, settings) -> None:
    told(anna, OLD)
    settings.MSPLEX_PROCESS = Process.WORKER.value

    with as_role("worker"):
        forget_notifications.run()

    assert left(anna.world) == set()


def in_days(monkeypatch: pytest.MonkeyPatch, days: int) -> datetime:
    """The outbox's clock goes on by so many days."""
    then = timezone.now() + timedelta(days=days)
    monkeypatch.setattr(outbox.timezone, "now", lambda: then)
    return then


def withdrawn(desk: Desk) -> None:
    """Something has happened that admins are told of."""
    with desk.world.acting():
        call = CallRef(None, desk.instance.pk)
        record(EventKind.INSTANCE_WITHDRAWN, actor=system("t"), subject=("connector_instance", None, "x"), call=call)


def put_back(desk: Desk) -> None:
    with as_role("worker"), desk.world.acting():
        NotificationCursor.objects.update(epoch=0, next=0)


def test_an_event_whose_id_was_forgotten_is_not_told_again_wherever_the_cursor_is(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(anna.world)
    withdrawn(desk)
    follow(desk.world)
    with as_role("worker"), desk.world.acting():
        Notification.objects.update(state=State.CLOSED, ended_at=timezone.now())
    later = in_days(monkeypatch, 91)

    assert forgot(desk.world, later) > 1
    with as_role("worker"), desk.world.acting():
        assert not NotificationEvent.objects.exists()
    put_back(desk)

    assert follow(desk.world) == 0
    assert left(desk.world) == set()


def test_an_id_is_kept_for_as_long_as_its_event_could_be_taken(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(anna.world)
    withdrawn(desk)
    taken = follow(desk.world)
    later = in_days(monkeypatch, 88)

    assert taken
    assert forgot(desk.world, later) == 0
    put_back(desk)
    assert follow(desk.world) == 0
    assert forgetting.KEPT - timedelta(days=1) >= outbox.STALE


def test_what_the_worker_reads_late_is_still_told(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an absence of weeks."""
    desk = Desk(anna.world)
    withdrawn(desk)
    in_days(monkeypatch, 88)

    assert follow(desk.world) > 0
