"""Messages leave over each channel, to real servers; what is down is tried again, what was killed is sent again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core import mail

from approvals.models import Delivery, Notification, NotificationChannels, Recipient
from approvals.notifications import delivering
from approvals.notifications.delivering import enqueue_due
from approvals.notifications.services import acknowledge
from approvals.notifications.settings import rotate_secret
from approvals.notifications.signing import signed_headers
from approvals.tasks import deliver_notification
from audit.kinds import EventKind
from audit.selectors import events
from identity.models import Mail
from identity.roles import Role
from identity.services import disable_principal
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import Desk
from tests.approvals.receivers import Receiver, StandardWebhooks, receiving
from tests.approvals.sending import ALL, make_due, prefers, quiet_desk, rows, send, set_up
from tests.approvals.telling import follow
from tests.conftest import as_role, role_url
from tests.identity.factories import SETUP, make_person
from tests.identity.post import post
from tests.receivers.mail_server import MailServer
from tests.tenants.furnishing import as_administrator

ROOT = Path(__file__).parents[2]
CRITICAL = ["critical"]


@pytest.fixture
def desk(settings) -> Desk:
    return quiet_desk(settings)


@pytest.fixture
def webhook(desk: Desk) -> Iterator[Receiver]:
    with receiving("/in/secret-path") as it:
        yield it


def secret(desk: Desk) -> StandardWebhooks:
    with desk.world.acting():
        before = NotificationChannels.objects.values_list("webhook_mark", flat=True).first() or ""
        return StandardWebhooks(rotate_secret(replaces=before, by=SETUP)[1])


def test_a_webhook_is_called_with_a_signature_that_somebody_else_can_check(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    receiver = secret(desk)
    request = desk.asked(reason="The printer is stuck", arguments={"ticket_id": 1, "password": "tr0ub4dor"})
    follow(desk.world)

    (row,) = [each for each in send(desk) if each.channel == "webhook"]

    assert row.state == "sent"
    (message,) = webhook.got
    assert receiver.takes(message)
    assert message.headers["content-type"] == "application/json"
    assert message.json["type"] == "notification.created"
    data = message.json["data"]
    assert (data["kind"], data["severity"]) == ("approval_needed", "critical")
    assert data["link"].endswith(f"/approvals/{request.pk}/")
    assert "The printer is stuck" in data["text"]
    assert b"tr0ub4dor" not in message.body


def test_a_message_that_was_caught_cannot_be_sent_again_later_nor_changed(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    receiver = secret(desk)
    desk.asked()
    follow(desk.world)
    send(desk)
    (message,) = webhook.got

    assert receiver.takes(message)
    old = {**message.headers, "webhook-timestamp": str(int(message.headers["webhook-timestamp"]) - 301)}
    assert not receiver.takes(type(message)(old, message.body))
    assert not receiver.takes(type(message)(message.headers, message.body + b" "))
    earlier = signed_headers(receiver.key, "msg_1", datetime.now(UTC) - timedelta(minutes=6), message.body)
    assert not receiver.takes(type(message)(earlier, message.body))


def test_a_replaced_secret_signs_nothing_more(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    old, new = secret(desk), secret(desk)
    desk.asked()
    follow(desk.world)
    send(desk)

    assert not old.takes(webhook.got[0])
    assert new.takes(webhook.got[0])


def test_nothing_is_signed_with_a_secret_that_the_receiver_does_not_have(
    desk: Desk, webhook: Receiver, settings
) -> None:
    """As when the context key was replaced."""
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    secret(desk)
    desk.asked()
    follow(desk.world)
    with as_administrator(), desk.world.acting():
        NotificationChannels.objects.update(webhook_mark="0" * 16)

    (row,) = [each for each in send(desk) if each.channel == "webhook"]

    assert (row.state, row.problem) == ("queued", "secret_replaced")
    assert webhook.got == []


def test_without_a_secret_nothing_waits_for_the_webhook(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    desk.asked()
    follow(desk.world)

    assert [each.channel for each in rows(desk)] == ["email"]


def test_what_is_down_is_tried_again_with_the_same_id(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    receiver = secret(desk)
    webhook.answers = [503, 429, 404]
    desk.asked()
    follow(desk.world)

    problems = []
    for _ in range(4):
        (row,) = [each for each in send(desk) if each.channel == "webhook"]
        problems.append((row.state, row.problem, row.tries))
        make_due(desk)

    assert problems == [
        ("queued", "unavailable", 1), ("queued", "unavailable", 2), ("queued", "status_404", 3), ("sent", "", 4),
    ]  # fmt: skip
    assert all(receiver.takes(message) for message in webhook.got)
    assert len({message.headers["webhook-id"] for message in webhook.got}) == 1
    assert len({message.body for message in webhook.got}) == 1
    send(desk)
    assert len(webhook.got) == 4


def test_between_two_tries_there_is_a_pause_that_grows(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    secret(desk)
    webhook.answers = [500] * 9
    desk.asked()
    follow(desk.world)
    send(desk)
    send(desk)  # it is not due

    assert len(webhook.got) == 1
    pauses = []
    for _ in range(8):
        make_due(desk)
        before = datetime.now(UTC)
        (row,) = [each for each in send(desk) if each.channel == "webhook"]
        pauses.append(round((row.next_try_at - before).total_seconds() / 60))
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_what_never_works_is_given_up_and_on_the_record(
    desk: Desk, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "MOST_TRIES", 2)
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    secret(desk)
    webhook.answers = [500, 500]
    desk.asked()
    follow(desk.world)
    send(desk)
    make_due(desk)

    (row,) = [each for each in send(desk) if each.channel == "webhook"]

    assert (row.state, row.problem) == ("failed", "unavailable")
    with desk.world.acting():
        event = events().get(kind=EventKind.NOTIFICATION_FAILED)
    assert event.facts["channel"] == "webhook"
    assert "secret-path" not in str(event.facts)


def test_a_receiver_that_wants_no_more_is_believed_at_once(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    secret(desk)
    webhook.answers = [410]
    desk.asked()
    follow(desk.world)

    assert [each.state for each in send(desk) if each.channel == "webhook"] == ["failed"]


@pytest.mark.parametrize("channel", ["webhook", "ntfy"])
def test_a_worker_that_is_killed_after_sending_sends_again_with_the_same_id(
    desk: Desk, webhook: Receiver, channel: str
) -> None:
    """At least once, and the receiver can tell: the id is the row's."""
    anna = make_person(desk.world, Role.ADMIN)
    prefers(anna, ntfy=ALL)
    set_up(desk, **({"webhook_url": webhook.url} if channel == "webhook" else {"ntfy_server": webhook.url}))
    receiver = secret(desk) if channel == "webhook" else None
    desk.asked()
    follow(desk.world)
    (row,) = [each for each in rows(desk) if each.channel == channel]
    worker = _worker(desk, row)
    webhook.meanwhile = lambda: os.kill(worker.pid, signal.SIGKILL)

    assert worker.wait(60) == -signal.SIGKILL

    (killed,) = [each for each in rows(desk) if each.channel == channel]
    assert (killed.state, killed.tries) == ("queued", 1)
    webhook.meanwhile = lambda: None
    make_due(desk)
    (again,) = [each for each in send(desk) if each.channel == channel]
    assert (again.state, again.tries) == ("sent", 2)
    assert len(webhook.got) == 2
    assert webhook.got[0].body == webhook.got[1].body
    if receiver:
        assert all(receiver.takes(message) for message in webhook.got)
        assert len(receiver.done) == 1


def _worker(desk: Desk, row: Delivery) -> "subprocess.Popen[bytes]":
    """A process of its own, with what the worker has."""
    code = (
        "import django, uuid; django.setup();"
        "from tenants.isolation.context import Context, acting_for;"
        "from approvals.notifications.delivering import deliver;"
        f"entered = acting_for(Context(uuid.UUID('{desk.world.id}'))); entered.__enter__();"
        f"deliver(uuid.UUID('{row.pk}'))"
    )
    given = {name: os.environ[name] for name in ("PATH", "MSPLEX_CONTEXT_KEY", "MSPLEX_RECORD_KEY", "REDIS_URL")}
    own = {
        "MSPLEX_ENV": "test", "MSPLEX_PROCESS": "worker", "MSPLEX_NOTIFY_NETWORKS": "127.0.0.0/8",
        "DATABASE_URL": role_url("msplex_worker", os.environ["MSPLEX_TEST_DATABASE"]),
        "DJANGO_SETTINGS_MODULE": "msplex.settings",
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=given | own)


def test_ntfy_gets_the_persons_own_topic_by_its_publishing_api(desk: Desk) -> None:
    anna, bob = make_person(desk.world, Role.ADMIN, name="anna"), make_person(desk.world, Role.ADMIN, name="bob")
    own = prefers(anna, ntfy=CRITICAL)
    with receiving() as server:
        set_up(desk, ntfy_server=server.url)
        request = desk.asked()
        follow(desk.world)
        send(desk)

    (message,) = server.got
    assert message.json["topic"] == own.ntfy_topic
    assert message.json["priority"] == 5
    assert message.json["click"].endswith(f"/approvals/{request.pk}/card/")
    assert set(message.json) == {"topic", "title", "message", "priority", "click", "sequence_id"}
    assert [each.person_id for each in rows(desk) if each.channel == "ntfy"] == [anna.id]
    assert bob.id in {each.person_id for each in rows(desk) if each.channel == "email"}


def test_who_has_asked_hears_nothing_on_any_channel_of_being_asked(desk: Desk) -> None:
    anna, bob = make_person(desk.world, Role.ADMIN, name="anna"), make_person(desk.world, Role.ADMIN, name="bob")
    prefers(anna, ntfy=ALL, email=ALL)
    asks = prefers(bob, ntfy=ALL, email=ALL)
    with receiving() as server:
        set_up(desk, ntfy_server=server.url)
        desk.asked(principal_id=bob.id, principal_kind="user", principal_label="bob")
        follow(desk.world)
        send(desk)

    assert {each.person_id for each in rows(desk)} == {anna.id}
    assert asks.ntfy_topic not in {message.json["topic"] for message in server.got}


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/in", "https://localhost/in", "https://[::1]/in"])
def test_the_worker_calls_no_address_within(desk: Desk, settings, url: str) -> None:
    settings.NOTIFY_NETWORKS = ()
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=url)
    secret(desk)
    desk.asked()
    follow(desk.world)

    (row,) = [each for each in send(desk) if each.channel == "webhook"]

    assert (row.state, row.problem) == ("queued", "address_refused")


def test_a_redirect_is_not_followed(desk: Desk, webhook: Receiver) -> None:
    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    secret(desk)
    webhook.answers, webhook.headers = [307], {"Location": webhook.url}
    desk.asked()
    follow(desk.world)

    (row,) = [each for each in send(desk) if each.channel == "webhook"]

    assert (row.problem, len(webhook.got)) == ("status_307", 1)


@pytest.mark.slow
def test_a_mail_server_that_is_down_and_up_again_gets_each_letter_once(desk: Desk, mail_server: MailServer) -> None:
    anna = make_person(desk.world, Role.ADMIN)
    desk.asked(reason="The printer is stuck")
    follow(desk.world)
    (row,) = send(desk)
    assert row.state == "sent"  # handed over to the queue of letters

    post(desk.world)
    with desk.world.acting():
        waiting = Mail.objects.get(template="notification")
    assert waiting.state == "queued"
    mail_server.start()
    make_due(desk)
    post(desk.world)
    post(desk.world)

    with desk.world.acting():
        assert Mail.objects.get(template="notification").state == "sent"
    (kept,) = mail_server.kept
    assert kept["to"] == [anna.user.email]
    assert "The printer is stuck" in kept["letter"]


def test_without_a_queue_the_message_waits_and_the_sweep_sends_it(
    desk: Desk, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    make_person(desk.world, Role.ADMIN)
    set_up(desk, webhook_url=webhook.url)
    secret(desk)
    monkeypatch.setattr(deliver_notification, "apply_async", fail)
    desk.asked()
    follow(desk.world)
    assert {each.state for each in rows(desk)} == {"queued"}

    asked: list[str] = []
    monkeypatch.setattr(
        deliver_notification, "apply_async", lambda _, kwargs, **__: asked.append(kwargs["delivery_id"])
    )
    with as_role("worker"), acting_for(Context(desk.world.id)):
        enqueue_due(datetime.now(UTC))
        assert sorted(asked) == sorted(str(each.pk) for each in rows(desk))
        for each in asked:
            deliver_notification.run(delivery_id=each)
    assert len(webhook.got) == 1


def test_what_is_over_or_seen_meanwhile_is_not_sent(desk: Desk) -> None:
    anna, bob = make_person(desk.world, Role.ADMIN, name="anna"), make_person(desk.world, Role.ADMIN, name="bob")
    desk.asked()
    follow(desk.world)
    with anna.world.acting():
        acknowledge(Recipient.objects.get(person_id=anna.id), by=anna.actor)
    states = {each.person_id: each.state for each in send(desk)}
    assert states == {anna.id: "skipped", bob.id: "sent"}

    desk.asked(arguments={"ticket_id": 2})
    follow(desk.world)
    with as_administrator(), desk.world.acting():
        Notification.objects.update(state="closed", ended_at=datetime.now(UTC))
    assert {each.state for each in send(desk)[2:]} == {"skipped"}


def test_who_may_not_act_any_more_gets_nothing_that_still_waits(desk: Desk) -> None:
    anna = make_person(desk.world, Role.ADMIN)
    desk.asked()
    follow(desk.world)
    with desk.world.acting():
        disable_principal(anna.id, by=SETUP)

    assert [each.state for each in send(desk)] == ["skipped"]
    with desk.world.acting():
        assert not Mail.objects.filter(template="notification").exists()


def test_the_letter_has_a_link_that_opens_a_page_and_nothing_more(desk: Desk, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    make_person(desk.world, Role.ADMIN)
    request = desk.asked()
    follow(desk.world)
    send(desk)

    (letter,) = post(desk.world)

    assert f"{settings.PUBLIC_URL}/approvals/{request.pk}/" in letter.body
    assert "?" not in letter.body.split(f"/approvals/{request.pk}/")[1].split()[0]
