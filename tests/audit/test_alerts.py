"""An alert is in the transaction of its event; what happens again is counted, by however many at once."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from audit import sweeping, watching
from audit.actors import Actor, ActorKind, CallRef, system
from audit.alerting import acknowledge_alert
from audit.alerts import DENIALS, HEADLINES, REMEDIES, RULES, WINDOW, AlertKind, Severity
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.models import Alert, AlertHit, Event
from audit.selectors import alerts, open_alerts
from audit.services import queue_record, record
from audit.sweeping import KEPT, sweep_alerts
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction
from tests.conftest import as_owner, as_role
from tests.factories import TenantWorld, make_tenant

AGENT = Actor(ActorKind.AGENT, UUID(int=7), "agent of bob", "192.0.2.7", "req-1")
ALICE = Actor(ActorKind.USER, UUID(int=1), "alice@acme.example")
INSTANCE = UUID(int=5)
CALL = CallRef(UUID(int=9), INSTANCE, "list_tickets")


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


def refuse_secret(world: TenantWorld, **given: Any) -> UUID:
    values = {"subject": ("credential", UUID(int=4), "Halo"), "call": CALL, "result": "refused"} | given
    with world.acting():
        return record(EventKind.CREDENTIAL_REFUSED, actor=AGENT, customer_id=world.customers[0].pk, **values)


def deny(world: TenantWorld, number: int = 1, *, code: str = "policy_denied", tool: str = "close_ticket") -> None:
    with world.acting():
        for _ in range(number):
            about = {"call": CallRef(uuid4(), INSTANCE, tool), "subject": ("tool_call", uuid4(), tool)}
            record(EventKind.CALL_REFUSED, actor=AGENT, result="refused", body={"code": code}, **about)


def seen(world: TenantWorld) -> list[tuple[str, int]]:
    with world.acting():
        return [(alert.kind, alert.count) for alert in alerts().filter(state="open")]


def test_every_alert_is_raised_by_something_and_says_what_to_do() -> None:
    assert {rule.alert for rule in RULES.values()} == set(AlertKind)
    assert set(HEADLINES) == set(REMEDIES) == set(AlertKind)


@pytest.mark.parametrize(
    "kind", [kind for kind, rule in RULES.items() if rule.threshold == 1], ids=lambda kind: kind.value
)
def test_what_cannot_wait_is_raised_by_the_first_event(acme: TenantWorld, kind: EventKind) -> None:
    with acme.acting():
        body = {"change_at_vendor_until": "2026-12-01", "code": "approval_required"}  # what makes some of them one
        event = record(kind, actor=AGENT, subject=("x", UUID(int=3), "X"), call=CALL, body=body)
        alert = alerts().get()

    assert (alert.kind, alert.severity, alert.count) == (RULES[kind].alert, Severity.HIGH, 1)
    assert (alert.event_id, alert.actor_label, alert.subject_label) == (event, "agent of bob", "X")
    assert (alert.instance_id, alert.tool) == (INSTANCE, "list_tickets")


def test_a_rekeying_by_schedule_raises_nothing(acme: TenantWorld) -> None:
    with acme.acting():
        record(EventKind.CREDENTIALS_REKEYED, actor=AGENT, body={"count": 3})
        assert not Alert.objects.exists()


def test_an_ordinary_event_raises_nothing(acme: TenantWorld) -> None:
    with acme.acting():
        record(EventKind.CALL_FINISHED, actor=AGENT, call=CALL)
        assert not Alert.objects.exists()
        assert not AlertHit.objects.exists()


def test_the_alert_goes_with_the_transaction_of_its_event(acme: TenantWorld) -> None:
    with acme.acting(), contextlib.suppress(RuntimeError), transaction.atomic():
        record(EventKind.CREDENTIAL_REFUSED, actor=AGENT)
        raise RuntimeError

    assert seen(acme) == []


def test_what_happens_again_is_counted_and_not_told_anew(acme: TenantWorld) -> None:
    for _ in range(3):
        refuse_secret(acme)
    refuse_secret(acme, call=CallRef(None, UUID(int=6), ""))

    assert sorted(seen(acme)) == [("secret_refused", 1), ("secret_refused", 3)]


def test_what_happens_to_two_customers_is_two_alerts(acme: TenantWorld) -> None:
    """Or a count would tell one of them about the other."""
    refuse_secret(acme)
    with acme.acting():
        record(EventKind.CREDENTIAL_REFUSED, actor=AGENT, customer_id=acme.customers[1].pk, call=CALL)

    assert seen(acme) == [("secret_refused", 1)] * 2


def test_a_constant_statement_raises_it_too_as_the_broker(acme: TenantWorld) -> None:
    """In the context of one customer, which does not show it what others have."""
    customer = acme.customers[0].pk
    about = {"actor": AGENT, "customer_id": customer, "result": "refused", "body": {}, "call": CALL}
    for _ in range(2):
        with as_role("broker"), acting_for(Context(acme.id, (customer,))), signed_transaction() as db:
            queue_record(db, EventKind.CREDENTIAL_REFUSED, subject=("credential", None, "Halo"), **about).confirm()

    assert seen(acme) == [("secret_refused", 2)]


def test_a_refusal_without_a_customer_is_counted_from_a_context_without_any(acme: TenantWorld) -> None:
    for _ in range(DENIALS):
        with acting_for(Context(acme.id, ())), signed_transaction() as db:
            about = {"actor": AGENT, "customer_id": None, "result": "refused", "body": {"code": "policy_denied"}}
            queue_record(db, EventKind.CALL_REFUSED, subject=("tool_call", uuid4(), "x"), **about).confirm()

    assert seen(acme) == [("repeated_denials", DENIALS)]


# Denials


def test_denials_of_one_caller_and_tool_are_an_alert_from_a_number_on(acme: TenantWorld) -> None:
    deny(acme, DENIALS - 1)
    deny(acme, DENIALS - 1, tool="delete_client")
    assert seen(acme) == []

    deny(acme)
    assert seen(acme) == [("repeated_denials", DENIALS)]

    deny(acme, 20)
    assert seen(acme) == [("repeated_denials", DENIALS + 20)]


@pytest.mark.parametrize("code", ["approval_required", "rate_limited", "busy", "customer_required"])
def test_what_tells_a_good_caller_to_wait_is_no_denial(acme: TenantWorld, code: str) -> None:
    deny(acme, DENIALS, code=code)

    assert seen(acme) == []


def test_denials_that_are_too_far_apart_are_none(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.raising.WINDOW", timedelta(0))
    deny(acme, DENIALS)

    assert seen(acme) == []


def test_a_flood_from_many_at_once_loses_no_hit(acme: TenantWorld) -> None:
    """Nobody waits for another: each adds a row of its own."""
    threads = [threading.Thread(target=_flood, args=(acme, 10)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with acting_for(Context(acme.id)):
        sweep_alerts(datetime.now(UTC))

    assert seen(acme) == [("repeated_denials", 80)]


def _flood(world: TenantWorld, number: int) -> None:
    try:
        for _ in range(number):
            deny(world)
    finally:
        connection.close()


def test_a_writer_does_not_wait_for_another_that_has_not_ended(acme: TenantWorld) -> None:
    refuse_secret(acme)
    finished = threading.Event()

    def other() -> None:
        refuse_secret(acme)
        finished.set()
        connection.close()

    with acme.acting():
        record(EventKind.CREDENTIAL_REFUSED, actor=AGENT, customer_id=acme.customers[0].pk, call=CALL)
        thread = threading.Thread(target=other)
        thread.start()
        assert finished.wait(5)
    thread.join()

    assert seen(acme) == [("secret_refused", 3)]


def test_an_event_whose_alert_cannot_be_written_is_not_written(acme: TenantWorld) -> None:
    revoked = as_owner("REVOKE INSERT ON audit_alert FROM msplex_app", "GRANT INSERT ON audit_alert TO msplex_app")
    with revoked, as_role("app"), pytest.raises(AuditUnavailable):
        refuse_secret(acme)
    with acme.acting():
        assert not Event.objects.filter(kind=EventKind.CREDENTIAL_REFUSED).exists()


# Acknowledged, folded, raised late


def acknowledge(world: TenantWorld, note: str = "It was us.") -> Alert:
    with world.acting():
        return acknowledge_alert(alerts().get(state="open"), note=note, by=ALICE)


def test_an_acknowledged_alert_keeps_its_count_and_the_next_one_is_new(acme: TenantWorld) -> None:
    refuse_secret(acme)
    refuse_secret(acme)
    done = acknowledge(acme)
    refuse_secret(acme)

    assert (done.counted, done.acknowledged_by, done.note) == (2, "alice@acme.example", "It was us.")
    assert seen(acme) == [("secret_refused", 1)]
    with acme.acting():
        told = Event.objects.get(kind=EventKind.ALERT_ACKNOWLEDGED)
    assert (told.facts["count"], told.facts["note"], told.facts["actor_label"]) == (2, "It was us.", ALICE.label)


def test_an_alert_is_acknowledged_once_and_with_a_note(acme: TenantWorld) -> None:
    refuse_secret(acme)
    with acme.acting():
        alert = alerts().get()
        for note in ("", "  ", "x" * 1001):
            with pytest.raises(Invalid):
                acknowledge_alert(alert, note=note, by=ALICE)
    acknowledge(acme)

    with acme.acting(), pytest.raises(Conflict):
        acknowledge_alert(alert, note="Again", by=ALICE)


def test_old_hits_are_folded_into_the_open_alert_and_none_is_lost(acme: TenantWorld) -> None:
    deny(acme, DENIALS + 2)
    with acting_for(Context(acme.id)), as_role("worker"):
        sweep_alerts(datetime.now(UTC) + KEPT + timedelta(seconds=1))
    deny(acme, 3)

    assert seen(acme) == [("repeated_denials", DENIALS + 5)]
    with acme.acting():
        assert (Alert.objects.get().counted, AlertHit.objects.count()) == (DENIALS + 2, 3)


def test_hits_that_never_became_an_alert_are_forgotten(acme: TenantWorld) -> None:
    deny(acme, DENIALS - 1)
    with acting_for(Context(acme.id)), as_role("worker"):
        sweep_alerts(datetime.now(UTC) + KEPT + timedelta(seconds=1))

    with acme.acting():
        assert not AlertHit.objects.exists()
        assert Event.objects.filter(kind=EventKind.CALL_REFUSED).count() == DENIALS - 1


def test_what_fell_between_two_writers_is_raised_by_the_sweep(
    acme: TenantWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several denials at once, none of which saw the others; and one whose alert was acknowledged meanwhile."""
    monkeypatch.setattr("audit.raising.WINDOW", timedelta(0))
    deny(acme, DENIALS)
    refuse_secret(acme)
    with acme.acting():
        Alert.objects.all().update(state="acknowledged")
    told: list[AlertKind] = []
    monkeypatch.setattr(sweeping, "tell", lambda rule: told.append(rule.alert))

    with acting_for(Context(acme.id)), as_role("worker"):
        sweep_alerts(datetime.now(UTC))
        sweep_alerts(datetime.now(UTC))

    assert sorted(seen(acme)) == [("repeated_denials", DENIALS), ("secret_refused", 1)]
    assert sorted(told) == [AlertKind.REPEATED_DENIALS, AlertKind.SECRET_REFUSED]
    with acme.acting():
        assert alerts().get(kind="secret_refused", state="open").actor_label == "agent of bob"
    assert WINDOW < KEPT


# Who sees them


def test_alerts_of_another_customer_and_tenant_are_not_there(acme: TenantWorld) -> None:
    refuse_secret(acme)
    with acme.acting(acme.customers[0]):
        assert open_alerts().count() == 1
    with acme.acting(acme.customers[1]):
        assert open_alerts().count() == 0
    with make_tenant("globex").acting():
        assert open_alerts().count() == 0


# Of processes that work for nobody in particular


def test_the_sealer_raises_one_too(acme: TenantWorld) -> None:
    with as_role("sealer"), acting_for(Context(acme.id)), signed_transaction() as db:
        about = {"actor": system("sealer"), "customer_id": None, "result": "refused", "body": {"what": "mac"}}
        queue_record(db, EventKind.AUDIT_RECORD_REFUSED, subject=("event", uuid4(), ""), **about).confirm()

    assert seen(acme) == [("audit_verification", 1)]


@pytest.mark.parametrize(("seconds", "raised"), [(4.0, []), (6.0, [("audit_lag", 1)])])
def test_a_log_that_is_not_sealed_in_time_is_seen_from_outside_of_the_sealer(
    acme: TenantWorld, monkeypatch: pytest.MonkeyPatch, seconds: float, raised: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(watching, "lag_of_all", lambda: seconds)
    monkeypatch.setattr(watching, "lag", lambda: seconds)
    monkeypatch.setattr(watching, "active_tenants", lambda: [acme.id])

    with as_role("worker"):
        watching.watch_lag()

    assert seen(acme) == raised
