"""From the log to people: each event once, for exactly those whom it is for; whatever is killed in between."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID, uuid4

import pytest

from approvals.models import ApprovalRequest, Notification, NotificationCursor, NotificationEvent
from approvals.notifications import outbox
from approvals.notifications.declared import ENDS_REQUESTS, KINDS, MENDS, OF_ALERTS, OF_CALLS, OF_REQUESTS
from approvals.services import withdraw
from approvals.tasks import follow_logs, tell_soon
from approvals.voting import reject
from audit import alerts
from audit.actors import CallRef, system
from audit.alerting import acknowledge_alert
from audit.alerts import AlertKind
from audit.kinds import EventKind
from audit.models import Alert, Leaf
from audit.services import record
from identity.roles import Role
from identity.selectors import acting_principal
from identity.services import disable_principal
from tenants.isolation.context import Context, acting_for
from tenants.process import Process
from tests.approvals.asking import Desk, approve, demote
from tests.approvals.telling import follow, notification, sealed, told
from tests.conftest import as_role
from tests.factories import make_tenant
from tests.identity.factories import SETUP, acting_as, make_machine, make_member, make_person


@pytest.fixture
def desk() -> Desk:
    return Desk(make_tenant())


def happened(desk: Desk, kind: EventKind, subject: tuple[str, UUID | None, str] = ("connector_instance", None, "Halo")):
    with desk.world.acting():
        return record(kind, actor=system("tests"), subject=subject, call=CallRef(None, desk.instance.pk))


def test_those_are_told_who_may_decide_and_have_not_asked(desk: Desk) -> None:
    world, (first, second, _) = desk.world, desk.world.customers
    olivia, anna = make_person(world, Role.OWNER, name="olivia"), make_person(world, Role.ADMIN, name="anna")
    bob = make_person(world, Role.OPERATOR, name="bob")
    near = make_person(world, Role.OPERATOR, name="near", customer=first)
    make_person(world, Role.OPERATOR, name="far", customer=second)
    vera = make_person(world, Role.VIEWER, name="vera")
    make_machine(world, Role.ADMIN, owner=vera)
    gone = make_person(world, Role.ADMIN, name="gone")
    with world.acting():
        disable_principal(gone.id, by=SETUP)

    desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    follow(world)

    assert told(world)["approval_needed"] == sorted([desk.owner, olivia.id, anna.id, near.id])


def test_whoever_answers_for_the_automation_that_asks_is_not_asked_for_approval(desk: Desk) -> None:
    anna = make_person(desk.world, Role.ADMIN, name="anna")
    owned = make_machine(desk.world, owner=anna)
    olivia = make_person(desk.world, Role.OWNER, name="olivia")

    desk.asked(principal_id=owned.id)
    follow(desk.world)

    needed = told(desk.world)["approval_needed"]
    assert olivia.id in needed
    assert anna.id not in needed


def test_an_event_is_taken_once_however_often_the_log_is_read(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN)
    desk.asked()

    counts = [follow(desk.world) for _ in range(3)]

    assert counts[0] > 0
    assert counts[1:] == [0, 0]
    assert notification(desk.world, "approval_needed").times == 1


def test_a_cursor_that_was_put_back_tells_nobody_twice(desk: Desk) -> None:
    """As after a restore of one table, or whatever else: the event's own id holds it."""
    make_person(desk.world, Role.ADMIN)
    desk.asked()
    follow(desk.world)
    with as_role("worker"), desk.world.acting():
        NotificationCursor.objects.update(next=0)

    follow(desk.world)

    assert notification(desk.world, "approval_needed").times == 1


def test_what_is_killed_in_between_leaves_nothing_and_is_done_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person(desk.world, Role.ADMIN)
    desk.asked()
    real, calls = outbox._take, []

    def dies_at_the_second(event):
        calls.append(event)
        if len(calls) == 2:
            raise SystemExit
        real(event)

    happened(desk, EventKind.INSTANCE_WITHDRAWN)
    monkeypatch.setattr(outbox, "_take", dies_at_the_second)
    with pytest.raises(SystemExit):
        follow(desk.world)
    with as_role("worker"), desk.world.acting():
        assert not Notification.objects.exists()
        assert not NotificationEvent.objects.exists()
    monkeypatch.undo()

    follow(desk.world)

    assert {"approval_needed", "connection_withdrawn"} <= told(desk.world).keys()
    assert notification(desk.world, "approval_needed").times == 1


def test_several_workers_at_once_tell_once(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN)
    requests = [desk.asked(arguments={"ticket_id": number}) for number in range(8)]
    sealed(desk.world)
    start, trouble = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        try:
            with acting_for(Context(desk.world.id)):
                outbox.follow_log()
        except Exception as error:  # noqa: BLE001 -- said by the test
            trouble.append(error)

    threads = [threading.Thread(target=as_worker(work)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert trouble == []
    with desk.world.acting():
        rows = list(Notification.objects.filter(kind="approval_needed").values_list("place_id", "times"))
    assert sorted(rows) == sorted((request.pk, 1) for request in requests)


def as_worker(work: Callable[[], None]) -> Callable[[], None]:
    """Connections are a thread's own."""

    def run() -> None:
        with as_role("worker"):
            work()

    return run


def test_a_long_log_is_read_in_batches_and_to_its_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH", 3)
    make_person(desk.world, Role.ADMIN)
    for number in range(4):
        desk.asked(arguments={"ticket_id": number})

    follow(desk.world)

    with as_role("worker"), desk.world.acting():
        last = Leaf.objects.order_by("-index").first()
        cursor = NotificationCursor.objects.get()
    assert (cursor.epoch, cursor.next) == (last.epoch, last.index + 1)
    assert len(told(desk.world)["approval_needed"]) == 4


def test_an_event_that_cannot_be_read_holds_up_none_of_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_person(desk.world, Role.ADMIN)
    with desk.world.acting():  # about a request that is not there
        record(EventKind.APPROVAL_REQUESTED, actor=system("tests"), subject=("approval_request", None, "x"))
    desk.asked()

    follow(desk.world)

    assert "could not be turned into a notification" in caplog.text
    assert len(told(desk.world)["approval_needed"]) == 1


def test_calls_that_mean_nothing_to_anybody_cost_no_more_than_being_read(
    desk: Desk, django_assert_max_num_queries: Callable[..., AbstractContextManager[object]]
) -> None:
    with desk.world.acting():
        for number in range(20):
            ref = CallRef(uuid4(), desk.instance.pk, "list_tickets")
            result = "failed" if number % 2 else "ok"
            record(EventKind.CALL_FINISHED, actor=system("broker"), result=result, call=ref)
    sealed(desk.world)

    with as_role("worker"), acting_for(Context(desk.world.id)), django_assert_max_num_queries(24):
        assert outbox.follow_log() == 0
    with as_role("worker"), desk.world.acting():
        assert not NotificationEvent.objects.exists()


def test_what_is_decided_ends_what_approvers_were_told_and_tells_who_asked(desk: Desk) -> None:
    anna, bob = make_person(desk.world, Role.ADMIN, name="anna"), make_person(desk.world, Role.OPERATOR, name="bob")
    request = desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    follow(desk.world)
    with acting_as(anna):
        reject(request, principal=acting_principal(anna.id), reason="Not now", by=anna.actor)

    follow(desk.world)

    assert told(desk.world)["approval_rejected"] == [bob.id]
    ended = notification(desk.world, "approval_needed")
    assert (ended.state, ended.ended_by) == ("closed", anna.user.email)
    assert "Not now" in notification(desk.world, "approval_rejected").text


def test_a_quorum_tells_who_asked_and_nobody_is_asked_any_more(desk: Desk) -> None:
    anna, olivia = make_member(desk.world, Role.ADMIN, name="anna"), make_member(desk.world, Role.OWNER, name="olivia")
    bob = make_person(desk.world, Role.OPERATOR, name="bob")
    request = desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    for person in (anna, olivia):
        assert approve(person, request)

    follow(desk.world)

    assert told(desk.world)["approval_given"] == [bob.id]
    assert "approval_needed" not in told(desk.world)  # it was over before anybody could be told


def test_what_is_withdrawn_is_over_for_everybody(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN, name="anna")
    bob = make_person(desk.world, Role.OPERATOR, name="bob")
    request = desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    follow(desk.world)
    with acting_as(bob):
        withdraw(request, principal=acting_principal(bob.id), by=bob.actor)

    follow(desk.world)

    assert notification(desk.world, "approval_needed").state == "closed"


def test_who_asked_and_may_not_act_any_more_is_told_nothing(desk: Desk) -> None:
    anna, bob = make_person(desk.world, Role.ADMIN, name="anna"), make_person(desk.world, Role.OPERATOR, name="bob")
    request = desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    with acting_as(anna):
        reject(request, principal=acting_principal(anna.id), reason="No", by=anna.actor)
    with desk.world.acting():
        disable_principal(bob.id, by=SETUP)

    follow(desk.world)

    assert "approval_rejected" not in told(desk.world)


@pytest.mark.parametrize(("kind", "result", "expected"), [
    (EventKind.CALL_FINISHED, "ok", "approved_call_ran"),
    (EventKind.CALL_FINISHED, "failed", "approved_call_failed"),
    (EventKind.CALL_UNKNOWN, "failed", "approved_call_unknown"),
])  # fmt: skip
def test_how_an_approved_call_went_is_told_to_who_asked(
    desk: Desk, kind: EventKind, result: str, expected: str
) -> None:
    bob = make_person(desk.world, Role.OPERATOR, name="bob")
    request = desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
    call = uuid4()
    with as_role("worker"), desk.world.acting():
        ApprovalRequest.objects.filter(id=request.pk).update(call_id=call)
    with desk.world.acting():
        for each in (call, uuid4()):  # the other one was made under no approval
            ref = CallRef(each, desk.instance.pk, "update_ticket")
            record(kind, actor=system("broker"), subject=("tool_call", each, "x"), result=result, call=ref)

    follow(desk.world)

    assert told(desk.world)[expected] == [bob.id]


def test_a_connection_that_is_off_is_told_to_admins_once_and_ends_when_it_is_back(desk: Desk) -> None:
    olivia, anna = make_person(desk.world, Role.OWNER, name="olivia"), make_person(desk.world, Role.ADMIN, name="anna")
    make_person(desk.world, Role.OPERATOR, name="bob")
    about = ("connector_instance", desk.instance.pk, "Halo")
    happened(desk, EventKind.INSTANCE_WITHDRAWN, about)
    happened(desk, EventKind.INSTANCE_WITHDRAWN, about)
    follow(desk.world)

    assert told(desk.world) == {"connection_withdrawn": sorted([desk.owner, olivia.id, anna.id])}
    assert notification(desk.world, "connection_withdrawn").times == 2

    happened(desk, EventKind.INSTANCE_RECOVERED, about)
    follow(desk.world)
    assert notification(desk.world, "connection_withdrawn").state == "closed"


def test_a_notification_leads_to_its_alert_and_ends_with_it(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN)
    happened(desk, EventKind.CREDENTIAL_REFUSED)
    follow(desk.world)
    with desk.world.acting():
        alert = Alert.objects.get()
        assert notification(desk.world, "secret_refused").place_id == alert.pk
        acknowledge_alert(alert, note="It was me", by=SETUP)

    follow(desk.world)

    assert notification(desk.world, "secret_refused").state == "closed"


def test_a_late_request_notifies_nobody_who_could_not_decide_it(desk: Desk) -> None:
    anna = make_person(desk.world, Role.ADMIN)
    demote(anna)
    desk.asked()

    follow(desk.world)

    assert "approval_needed" not in told(desk.world)


def test_two_people_make_it_critical_and_one_does_not(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN)
    desk.asked()
    follow(desk.world)
    alone = Desk(make_tenant(), need=1)
    make_person(alone.world, Role.ADMIN)
    alone.asked()
    follow(alone.world)

    assert notification(desk.world, "approval_needed").severity == "critical"
    assert notification(alone.world, "approval_needed").severity == "warning"


def test_the_text_has_no_argument_of_the_call(desk: Desk) -> None:
    make_person(desk.world, Role.ADMIN)
    desk.asked(arguments={"ticket_id": 1, "password": "tr0ub4dor"})

    follow(desk.world)

    text = notification(desk.world, "approval_needed").text
    assert "halopsa_update_ticket" in text
    assert "tr0ub4dor" not in text


def test_the_sweep_and_the_nudge_do_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch, settings) -> None:
    make_person(desk.world, Role.ADMIN)
    asked: list[str] = []
    monkeypatch.setattr(tell_soon, "apply_async", lambda _, kwargs, **__: asked.append(kwargs["event_id"]))
    desk.asked()
    settings.MSPLEX_PROCESS = Process.WORKER.value

    with as_role("worker"), acting_for(Context(desk.world.id)):
        tell_soon.run(event_id=asked[0])
    assert len(told(desk.world)["approval_needed"]) == 1

    desk.asked(arguments={"ticket_id": 2})
    sealed(desk.world)
    with as_role("worker"):
        follow_logs.run()
    assert len(told(desk.world)["approval_needed"]) == 2


def test_without_a_queue_the_request_is_made_and_the_sweep_tells(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    make_person(desk.world, Role.ADMIN)
    monkeypatch.setattr(tell_soon, "apply_async", fail)

    desk.asked()
    follow(desk.world)

    assert len(told(desk.world)["approval_needed"]) == 1


def test_every_alert_is_told_or_has_a_threshold() -> None:
    told_of = {rule.alert for rule in alerts.RULES.values() if rule.threshold == 1}

    assert set(OF_ALERTS) == told_of == set(AlertKind) - {AlertKind.REPEATED_DENIALS, AlertKind.WRONG_CREDENTIALS}
    assert {*OF_REQUESTS, *ENDS_REQUESTS, *MENDS, *(kind for kind, _ in OF_CALLS)} <= {EventKind(k) for k in KINDS}


def test_another_tenants_log_is_not_read(desk: Desk) -> None:
    other = Desk(make_tenant())
    make_person(other.world, Role.ADMIN)
    other.asked()
    sealed(other.world)

    follow(desk.world)

    assert told(other.world) == {}
