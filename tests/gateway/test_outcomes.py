"""What happened to a call is never left unsaid, nor said twice differently. The broker's side, in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from django.db import OperationalError, connection

from audit.kinds import EventKind
from audit.models import Event
from billing.models import QuotaCounter, UsageEvent
from billing.services import reserve_call
from connectors.errors import VendorError
from connectors.models import ToolCall
from connectors.services import unmap_customer
from msplex import claiming, execution, replies
from msplex.execution import LOST_AFTER, give_up_lost_calls
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import one, signed_transaction
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.connectors.factories import ALICE, let_through

KEY = X25519PrivateKey.generate()
CHANNEL = "outcomes"


def run(call_id: UUID, *, again: bool = False) -> None:
    """As a broker does, with the reply on its way at the end."""
    if reply := execution.run(call_id, again=again):
        replies.deliver(reply)


def queued(world: Any, kind: str = "service_account", **more: Any) -> ToolCall:
    """A call as the gateway leaves it: reserved, on record, waiting."""
    with as_role("app"):
        with world.tenant.acting() as context:
            terms = Entitlement.objects.get()
        with acting_for(context), signed_transaction() as db:
            one(reserve_call(db, terms, world.tenant.customers[0]))
        return _insert(world, kind, **more)


def _insert(world: Any, kind: str, tool: str = "list_tickets", arguments: dict[str, Any] | None = None) -> ToolCall:
    with world.tenant.acting():
        call = ToolCall(
            principal_id=uuid4(),
            principal_kind=kind,
            principal_label="agent",
            customer=world.tenant.customers[0],
            instance=world.instance,
            connector="halopsa",
            tool=tool,
            arguments={"limit": 1} if arguments is None else arguments,
            state=ToolCall.State.QUEUED,
            reply_to=CHANNEL,
            reply_key=KEY.public_key().public_bytes_raw(),
        )
        return let_through(call, world.instance)


@contextmanager
def as_the_message(world: Any, call: ToolCall) -> Iterator[None]:
    with acting_for(Context(world.tenant.id, (call.customer_id,))):
        yield


def answers(call: ToolCall) -> list[dict[str, Any]]:
    """Every reply to this call, in order."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    sent = client.lrange(replies.channel(CHANNEL), 0, -1)
    mine = [message for message in sent if replies.address(message) == call.id]
    return [replies.unseal(message, private_key=KEY, tenant=call.tenant_id, call=call.id) for message in mine]


def after(world: Any, call: ToolCall) -> tuple[str, str, int, int]:
    """State and code, calls counted this month, usage rows."""
    with as_role("worker"), world.tenant.acting():
        now = ToolCall.objects.get(id=call.id)
        return now.state, now.code, QuotaCounter.objects.get().used, UsageEvent.objects.count()


def kinds(world: Any, call_id: UUID) -> list[str]:
    with as_role("app"), world.tenant.acting():
        return list(Event.objects.filter(subject_id=call_id).order_by("id").values_list("kind", flat=True))


def test_a_call_whose_mapping_went_away_was_not_sent_and_says_so(connected, vendor, broker):
    call = queued(connected)
    with as_role("app"), connected.tenant.acting():
        unmap_customer(connected.mappings[0], by=ALICE)
    vendor.reset()

    with as_the_message(connected, call):
        run(call.id)

    assert [reply["code"] for reply in answers(call)] == ["instance_not_ready"]
    assert after(connected, call) == ("failed", "instance_not_ready", 0, 0)
    assert vendor.seen()["total"] == 0


def test_what_was_said_to_be_lost_is_not_delivered(connected, vendor, broker):
    """The message comes again while the first run still waits for the vendor."""
    call = queued(connected)
    vendor.reset()
    vendor.behave("slow", delay=1.5)

    def first() -> None:
        with as_role("broker"), as_the_message(connected, call):
            run(call.id)
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    while "/api/Tickets" not in vendor.seen()["by_path"]:
        assert thread.is_alive()
    with as_the_message(connected, call):
        run(call.id, again=True)
    thread.join()

    assert [reply["code"] for reply in answers(call)] == ["outcome_unknown", "outcome_unknown"]
    assert after(connected, call) == ("unknown", "outcome_unknown", 0, 0)
    assert kinds(connected, call.id) == [EventKind.CALL_INTENDED, EventKind.CALL_UNKNOWN]
    assert vendor.seen()["by_path"]["/api/Tickets"] == 1


def test_a_message_that_comes_again_after_the_end_changes_nothing(connected, vendor, broker):
    call = queued(connected)
    with as_the_message(connected, call):
        run(call.id)
        run(call.id, again=True)

    assert [reply["ok"] for reply in answers(call)] == [True]
    assert after(connected, call) == ("succeeded", "", 1, 1)


@pytest.mark.parametrize(("kind", "counted"), [("agent", 1), ("service_account", 0)])
def test_bytes_and_the_calls_of_ai_agents_are_metered_as_audited(connected, vendor, broker, kind, counted):
    call = queued(connected, kind)
    with as_the_message(connected, call):
        run(call.id)

    with as_role("worker"), connected.tenant.acting():
        usage = UsageEvent.objects.get()
        told = Event.objects.get(kind=EventKind.CALL_FINISHED).facts["vendor_bytes"]
    assert (usage.ai_calls, usage.egress_bytes) == (counted, told)
    assert told > 500


@pytest.mark.parametrize(
    ("state", "expected", "kind"),
    [
        (ToolCall.State.QUEUED, ("failed", "busy", 0, 0), EventKind.CALL_FINISHED),
        (ToolCall.State.RUNNING, ("unknown", "outcome_unknown", 0, 0), EventKind.CALL_UNKNOWN),
    ],
)
def test_the_sweep_ends_what_nobody_will(connected, state, expected, kind):
    call, young = queued(connected), queued(connected)
    with as_role("worker"), connected.tenant.acting():
        QuotaCounter.objects.update(used=1)
        ToolCall.objects.filter(id__in=[call.id, young.id]).update(state=state)
    _age(connected, call)

    with as_role("worker"), acting_for(Context(connected.tenant.id)):
        assert give_up_lost_calls(datetime.now(UTC)) == 1

    assert after(connected, call) == expected
    assert kinds(connected, call.id) == [EventKind.CALL_INTENDED, kind]
    assert kinds(connected, young.id) == [EventKind.CALL_INTENDED]


@pytest.mark.usefixtures("broker")
def test_what_may_have_changed_something_is_unknown_and_not_to_be_tried_again(connected, monkeypatch):
    """Whatever the vendor's error says of itself."""
    call, error = queued(connected), VendorError("vendor_timeout")
    error.uncertain = True

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(execution, "execute", fail)
    with as_the_message(connected, call):
        run(call.id)

    assert [(reply["code"], reply["retryable"]) for reply in answers(call)] == [("outcome_unknown", False)]
    assert after(connected, call) == ("unknown", "outcome_unknown", 0, 0)


def _age(world: Any, call: ToolCall) -> None:
    earlier = datetime.now(UTC) - LOST_AFTER - timedelta(seconds=5)
    with as_role("migrator"), world.tenant.acting(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE msplex_owner")
        cursor.execute("UPDATE connectors_toolcall SET created_at = %s WHERE id = %s", [earlier, call.id])
        assert cursor.rowcount == 1


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(("failures", "state"), [(2, "succeeded"), (9, "queued")])
def test_a_call_that_cannot_be_claimed_at_once_is_tried_again(connected, monkeypatch, failures: int, state: str):
    """With nothing sent in between; and not for ever."""
    call, claim, left = queued(connected), claiming._claim, iter(range(failures))
    monkeypatch.setattr(claiming, "CLAIM_AGAIN_SECONDS", (0.0, 0.0, 0.0))

    def busy(call_id: UUID) -> Any:
        if next(left, None) is not None:
            raise OperationalError("canceling statement due to lock timeout")
        return claim(call_id)

    monkeypatch.setattr(claiming, "_claim", busy)
    with as_the_message(connected, call), suppress(OperationalError):
        run(call.id)

    with connected.tenant.acting():
        assert ToolCall.objects.get(id=call.id).state == state
