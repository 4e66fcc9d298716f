"""Webhooks: who may call, what is believed of it, and that nobody else learns anything."""

import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.kinds import EventKind
from connectors import hooks, views
from connectors.catalogue import all_connectors
from connectors.hook_proof import SECRET_MARK, SIGNED_MARK, Delivery
from connectors.hooks import make_hook, mark_of, receive, remove_hook, rotate_hook, ways
from connectors.models import ConnectorInstance, CustomerMapping, Hook, HookDelivery, Signal, SignalPull
from connectors.retiring import retire_instance
from connectors.selectors import NUDGED_EVERY, due_for_pull
from connectors.services import activate_instance, deactivate_instance, map_customer, record_health
from connectors.signals import EVERY
from identity.oauth import pace
from tenants.errors import Conflict, Invalid
from tenants.models import Entitlement
from tests.connectors.factories import CLIENTS, FINE, bodies, configured
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP
from tests.tenants.furnishing import as_administrator

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
EVENT = {"kind": "alert", "owner": 11, "id": "a-1", "title": "Disk full", "severity": "high"}


@dataclass
class Connected:
    """A tenant whose three customers are the clients 11, 12 and 13 of an active connection."""

    world: TenantWorld
    instance: ConnectorInstance


@pytest.fixture(autouse=True)
def _unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "wait", lambda *_: 0)


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(hooks.pull_signals, "delay_on_commit", asked.append)
    return asked


@pytest.fixture
def acme() -> Connected:
    return connected("acme")


def connected(name: str) -> Connected:
    world = make_tenant(name)
    with world.acting():
        instance = activate_instance(record_health(configured(world), FINE), by=SETUP)
        for customer, client in zip(world.customers, CLIENTS, strict=True):
            map_customer(instance, customer=customer, external_id=str(client), by=SETUP)
    return Connected(world, instance)


def made(it: Connected, way: str = "signed") -> tuple[Hook, str]:
    with it.world.acting():
        return make_hook(it.instance, way=way, by=SETUP)


def signed(secret: str, body: bytes, *, name: str = "d-1", sent: datetime | None = None, **other: str) -> Delivery:
    at = str(int((sent or timezone.now()).timestamp()))
    key = base64.b64decode(secret.removeprefix(SIGNED_MARK))
    value = base64.b64encode(hmac.digest(key, f"{name}.{at}.".encode() + body, hashlib.sha256)).decode()
    named = {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": f"v1,{value}"}
    return Delivery(named | other, body)


def telling(*events: dict[str, Any]) -> bytes:
    return json.dumps({"signals": list(events)}).encode()


def rows(it: Connected) -> list[tuple[str, str, str]]:
    with it.world.acting():
        return sorted(Signal.objects.values_list("external_id", "title", "state"))


def told(hook: Hook, secret: str, *events: dict[str, Any], **terms: Any) -> bool:
    return receive(hook.address, signed(secret, telling(*events), **terms), timezone.now())


def test_a_signed_event_is_kept_for_the_customer_whose_client_it_names(acme: Connected) -> None:
    hook, secret = made(acme)

    assert told(hook, secret, EVENT, EVENT | {"id": 2, "owner": 99}, {"kind": "alert", "id": 3}, {"kind": "x"})

    with acme.world.acting():
        kept = Signal.objects.get()
        hook.refresh_from_db()
    assert (kept.customer_id, kept.external_id, kept.severity) == (acme.world.customers[0].pk, "a-1", "high")
    assert (hook.kept, hook.unmapped, hook.unreadable, hook.refused) == (1, 1, 2, 0)
    [body] = bodies(acme.world, EventKind.HOOK_DELIVERED)
    assert (body["way"], body["kept"], body["unmapped"], body["unreadable"]) == ("signed", 1, 1, 2)


def test_the_same_source_id_is_one_row_that_is_changed_and_closed(acme: Connected) -> None:
    hook, secret = made(acme)

    for number, change in enumerate(({}, {"title": "Disk fuller"}, {"state": "resolved"})):
        assert told(hook, secret, EVENT | change, name=f"d-{number}")
    closed = rows(acme)
    assert told(hook, secret, EVENT | {"id": "never-seen", "state": "resolved"}, name="d-9")

    assert closed == [("a-1", "Disk full", "resolved")]
    assert rows(acme) == closed


def test_what_was_sent_before_something_newer_was_seen_changes_nothing(acme: Connected) -> None:
    hook, secret = made(acme)
    told(hook, secret, EVENT | {"state": "open", "title": "Newer"}, name="d-2")

    assert told(hook, secret, EVENT | {"state": "resolved"}, name="d-1", sent=timezone.now() - timedelta(minutes=2))

    assert rows(acme) == [("a-1", "Newer", "open")]


def test_a_replay_is_answered_and_does_nothing(acme: Connected) -> None:
    hook, secret = made(acme)
    delivery = signed(secret, telling(EVENT))

    assert receive(hook.address, delivery, timezone.now())
    told(hook, secret, EVENT | {"state": "resolved"}, name="d-2")
    assert receive(hook.address, delivery, timezone.now())
    other_body = signed(secret, telling(EVENT | {"title": "x"}))
    assert receive(hook.address, other_body, timezone.now())

    assert rows(acme) == [("a-1", "Disk full", "resolved")]
    with acme.world.acting():
        assert HookDelivery.objects.count() == 2
    assert len(bodies(acme.world, EventKind.HOOK_DELIVERED)) == 2


def forgeries(secret: str, other: str) -> list[Delivery]:
    body, now = telling(EVENT), timezone.now()
    good = signed(secret, body)
    return [
        Delivery({}, body),
        signed(other, body),
        Delivery(good.headers, telling(EVENT | {"title": "x"})),
        Delivery({**good.headers, "webhook-id": "d-2"}, body),
        Delivery({**good.headers, "webhook-timestamp": str(int(now.timestamp()) + 1)}, body),
        signed(secret, body, sent=now - timedelta(minutes=6)),
        signed(secret, body, sent=now + timedelta(minutes=6)),
        signed(secret, body, name=""),
        signed(secret, body, name="x" * 129),
        Delivery({**good.headers, "webhook-signature": good.headers["webhook-signature"].replace("v1", "v2")}, body),
        Delivery({**good.headers, "webhook-signature": "v1,é"}, body),
        Delivery({**good.headers, "webhook-timestamp": "-1"}, body),
        Delivery({"authorization": f"Bearer {secret}"}, body),
        Delivery({"authorization": f"Bearer {SECRET_MARK}{secret.removeprefix(SIGNED_MARK)}"}, body),
    ]


def test_what_does_not_prove_itself_is_refused_and_counted(acme: Connected) -> None:
    hook, secret = made(acme)
    _, other = made(connected("globex"))
    tried = forgeries(secret, other)

    assert [receive(hook.address, each, timezone.now()) for each in tried] == [False] * len(tried)

    assert rows(acme) == []
    with acme.world.acting():
        hook.refresh_from_db()
        assert hook.refused == len(tried)


def presented(secret: str) -> list[dict[str, str]]:
    basic = base64.b64encode(f"ninja:{secret}".encode()).decode()
    return [
        {"authorization": f"Bearer {secret}"}, {"authorization": f"Basic {basic}"}, {"x-webhook-secret": secret},
    ]  # fmt: skip


def test_a_call_with_a_secret_causes_a_look_and_nothing_it_says_is_kept(acme: Connected, pulled) -> None:
    hook, secret = made(acme, "secret")

    taken = [
        receive(hook.address, Delivery(headers, telling(EVENT | {"id": number})), timezone.now())
        for number, headers in enumerate(presented(secret))
    ]

    assert taken == [True] * 3
    assert pulled == [str(acme.instance.pk)] * 3
    assert rows(acme) == []


def test_a_wrong_secret_or_a_signature_with_it_causes_nothing(acme: Connected, pulled) -> None:
    hook, secret = made(acme, "secret")
    body = telling(EVENT)
    padded = SIGNED_MARK + base64.b64encode(base64.urlsafe_b64decode(secret.removeprefix(SECRET_MARK) + "=")).decode()

    tried = [Delivery(each, body) for each in presented(secret[:-1] + "!")]
    tried += [signed(padded, body), Delivery({"authorization": f"Basic {secret}"}, body)]

    assert not any(receive(hook.address, each, timezone.now()) for each in tried)
    assert pulled == []


def test_a_vendor_that_called_is_due_again_but_not_within_half_a_minute(acme: Connected, pulled) -> None:
    made(acme, "secret")
    with as_administrator(), acme.world.acting():
        SignalPull.objects.create(instance=acme.instance, pulled_at=NOW)
        due_before = due_for_pull(NOW + timedelta(minutes=1), EVERY).exists()
        Hook.objects.update(nudged_at=NOW + timedelta(seconds=5))

        soon, then = (due_for_pull(NOW + each, EVERY).exists() for each in (timedelta(seconds=20), NUDGED_EVERY))

    assert (due_before, soon, then) == (False, False, True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"signals": 1}', b"[" * 9999, b"\xff", telling(*[EVENT] * 501)])
def test_a_proven_delivery_that_cannot_be_read_is_told_so_and_may_be_sent_again(acme: Connected, body) -> None:
    hook, secret = made(acme)

    with pytest.raises(Invalid):
        receive(hook.address, signed(secret, body), timezone.now())

    assert told(hook, secret, EVENT)
    assert len(rows(acme)) == 1


def test_nothing_is_taken_for_a_connection_that_is_not_active(acme: Connected) -> None:
    hook, secret = made(acme)
    with acme.world.acting():
        deactivate_instance(acme.instance, by=SETUP)

    assert not told(hook, secret, EVENT)
    assert rows(acme) == []


def test_nothing_is_taken_for_a_connector_that_is_not_in_the_plan_any_more(acme: Connected) -> None:
    hook, secret = made(acme)
    with acme.world.acting():
        Entitlement.objects.update(valid_until=timezone.now() - timedelta(days=1))

    assert not told(hook, secret, EVENT)
    assert rows(acme) == []


def test_a_retired_connection_has_no_webhook(acme: Connected) -> None:
    hook, secret = made(acme)
    with acme.world.acting():
        deactivate_instance(acme.instance, by=SETUP)
        retire_instance(acme.instance, by=SETUP)
        assert not Hook.objects.exists()

    assert not told(hook, secret, EVENT)


def test_a_replaced_secret_is_good_for_nothing_and_replacing_is_done_once(acme: Connected) -> None:
    hook, old = made(acme)
    mark = mark_of(hook)
    with acme.world.acting():
        _, new = rotate_hook(hook, replaces=mark, by=SETUP)
        with pytest.raises(Conflict):
            rotate_hook(hook, replaces=mark, by=SETUP)

    assert not told(hook, old, EVENT)
    assert told(hook, new, EVENT)


def test_a_removed_webhook_is_unknown_and_its_address_free_for_nobody(acme: Connected) -> None:
    hook, secret = made(acme)
    address = hook.address
    with acme.world.acting():
        remove_hook(hook, by=SETUP)

    assert not receive(address, signed(secret, telling(EVENT)), timezone.now())


def test_one_connection_has_one_webhook_and_only_in_a_way_its_vendor_has(acme: Connected) -> None:
    made(acme)
    with pytest.raises(Conflict):
        made(acme)
    with pytest.raises(Invalid):
        made(connected("globex"), "anything")

    with acme.world.acting():
        offered = {entry.key: ways(ConnectorInstance(connector=entry.key)) for entry in all_connectors()}
    assert {key for key, each in offered.items() if "secret" in each} == {"halopsa", "ninjaone"}


def test_the_database_alone_does_not_know_the_secret(acme: Connected) -> None:
    hook, secret = made(acme)

    with acme.world.acting():
        row = json.dumps(Hook.objects.filter(pk=hook.pk).values().get(), default=str)

    assert secret.removeprefix(SIGNED_MARK) not in row
    assert base64.b64decode(secret.removeprefix(SIGNED_MARK)).hex() not in row


def test_a_mapping_that_changes_moves_what_is_told_from_then_on(acme: Connected) -> None:
    hook, secret = made(acme)
    told(hook, secret, EVENT)
    with acme.world.acting():
        CustomerMapping.objects.all().delete()
        map_customer(acme.instance, customer=acme.world.customers[1], external_id="11", by=SETUP)

    told(hook, secret, EVENT, name="d-2")

    with acme.world.acting():
        assert set(Signal.objects.values_list("customer_id", flat=True)) == {
            each.pk for each in acme.world.customers[:2]
        }


def test_a_twin_tenant_gets_nothing_of_it_and_its_secret_opens_nothing(acme: Connected) -> None:
    twin = connected("globex")
    (mine, secret), (theirs, other) = made(acme), made(twin)

    assert told(mine, secret, EVENT)
    assert not told(mine, other, EVENT)
    assert not told(theirs, secret, EVENT)

    assert len(rows(acme)) == 1
    assert rows(twin) == []
    with twin.world.acting():
        assert [each.address for each in Hook.objects.all()] == [theirs.address]


def test_an_address_is_forgotten_by_its_own_tenant_alone(acme: Connected) -> None:
    hook, secret = made(acme)
    with connected("globex").world.acting():
        hooks.forget_hook(hook.address)

    assert told(hook, secret, EVENT)


def post(address: str, delivery: Delivery):
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()}
    return Client().post(f"/hooks/{address}", delivery.body, content_type="application/json", **headers)


def answer(response) -> tuple[int, bytes, dict[str, str]]:
    return response.status_code, response.content, {k: v for k, v in response.headers.items() if k != "X-Request-ID"}


def test_unknown_and_forged_get_the_same_answer_for_the_same_work(acme: Connected) -> None:
    hook, secret = made(acme)
    forged = Delivery({**signed(secret, telling(EVENT)).headers, "webhook-id": "d-2"}, telling(EVENT))
    asked = []
    for address in ("A" * 24, hook.address):
        with CaptureQueriesContext(connection) as queries:
            response = post(address, forged)
        asked.append((answer(response), [query["sql"].split(" ")[0] for query in queries.captured_queries]))

    assert asked[0] == asked[1]
    assert asked[0][0][:2] == (404, b'{"error": "not_found"}')


def test_over_http(acme: Connected) -> None:
    hook, secret = made(acme)

    taken, unreadable = post(hook.address, signed(secret, telling(EVENT))), post(hook.address, signed(secret, b"{"))

    assert (taken.status_code, taken.content) == (204, b"")
    assert unreadable.status_code == 204  # the same id: it was here
    assert post(hook.address, signed(secret, b"{", name="d-2")).status_code == 400
    assert Client().get(f"/hooks/{hook.address}").status_code == 405
    assert len(rows(acme)) == 1


def test_what_is_too_large_is_not_looked_at(acme: Connected, monkeypatch) -> None:
    hook, secret = made(acme)
    monkeypatch.setattr(views, "receive", lambda *_: pytest.fail("looked at"))

    answers = {post(each, signed(secret, b"x" * (views.LARGEST + 1))).status_code for each in (hook.address, "A" * 24)}

    assert answers == {413}


def test_each_webhook_is_called_so_often_and_not_more(acme: Connected, monkeypatch) -> None:
    hook, secret = made(acme)
    monkeypatch.undo()
    monkeypatch.setitem(pace.A_MINUTE, "hook", 2)
    answers = [post(hook.address, signed(secret, telling(EVENT), name=f"d-{n}")).status_code for n in range(3)]

    unknown = [post(f"{hook.address[:-1]}!", signed(secret, b"")).status_code for _ in range(3)]

    assert answers == [204, 204, 429]
    assert unknown == [404, 404, 429]


def test_fifty_deliveries_of_one_event_at_once_are_one_row(acme: Connected) -> None:
    hook, secret = made(acme)

    def deliver(number: int) -> bool:
        try:
            return told(hook, secret, EVENT, name=f"d-{number % 25}")
        finally:
            close_old_connections()
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        taken = list(pool.map(deliver, range(50)))

    assert taken == [True] * 50
    assert rows(acme) == [("a-1", "Disk full", "open")]
    with acme.world.acting():
        assert HookDelivery.objects.count() == 25
