"""Messages go out after the commit, once, by the worker alone; what they let a reader do stays sealed until then."""

import smtplib
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone

from audit.selectors import events
from identity.letters import read_letter
from identity.links import Link, Purpose, open_url
from identity.mail_backends import MissingBackend, TerminalBackend
from identity.models import Mail
from identity.services.mail import MOST_TRIES, deliver, enqueue_due_mail, send_mail_on_commit
from identity.tasks import deliver_mail
from msplex.environment import EnvironmentInvalid, read_environment
from msplex.mail_server import email_settings
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.post import link_in, post

CONTEXT = {"name": "Alice", "by": "bob@acme.example", "at": "today"}


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


def write(world: TenantWorld, *, link: Link | None = None, **context: str) -> Mail:
    with world.acting():
        return send_mail_on_commit("account_disabled", "alice@acme.example", CONTEXT | context, link=link)


def again(world: TenantWorld, letter: Mail) -> Mail:
    with world.acting():
        return Mail.objects.get(id=letter.pk)


def make_due(world: TenantWorld) -> None:
    with as_role("worker"), world.acting():
        Mail.objects.update(next_try_at=timezone.now())


class Refusing(BaseEmailBackend):
    error: Exception = OSError("nobody listens")

    def send_messages(self, email_messages):  # noqa: ARG002
        raise self.error


class Slow(BaseEmailBackend):
    sending: threading.Event
    done: threading.Event

    def send_messages(self, email_messages):  # noqa: ARG002
        self.sending.set()
        self.done.wait(10)


@pytest.fixture
def no_server(settings) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"


def test_a_message_is_sent_once(acme: TenantWorld) -> None:
    letter = write(acme)

    (sent,) = post(acme)
    with as_role("worker"), acting_for(Context(acme.id)):
        deliver(letter.pk)

    assert sent.to == ["alice@acme.example"]
    assert sent.subject == "Your account was disabled"
    assert "bob@acme.example disabled" in sent.body
    assert sent.alternatives[0].mimetype == "text/html"
    assert len(mail.outbox) == 1
    assert again(acme, letter).state == "sent"


def test_a_rolled_back_transaction_sends_nothing(acme: TenantWorld) -> None:
    with acme.acting():
        send_mail_on_commit("account_disabled", "alice@acme.example", CONTEXT)
        transaction.set_rollback(True)

    assert post(acme) == []


def test_two_workers_do_not_try_at_the_same_moment(acme: TenantWorld, settings, monkeypatch) -> None:
    letter = write(acme)
    sending, done = threading.Event(), threading.Event()

    monkeypatch.setattr(Slow, "sending", sending, raising=False)
    monkeypatch.setattr(Slow, "done", done, raising=False)
    settings.EMAIL_BACKEND = f"{__name__}.Slow"

    def first() -> None:
        with as_role("worker"), acting_for(Context(acme.id)):
            deliver(letter.pk)

    thread = threading.Thread(target=first)
    thread.start()
    assert sending.wait(10)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with as_role("worker"), acting_for(Context(acme.id)):
        deliver(letter.pk)
    done.set()
    thread.join()

    assert mail.outbox == []
    assert again(acme, letter).tries == 1


def test_the_link_is_sealed_until_it_is_sent_and_gone_afterwards(acme: TenantWorld) -> None:
    link = Link.new(Purpose.PASSWORD, acme.id)
    letter = write(acme, link=link)
    waiting = again(acme, letter)

    assert link.token.encode() not in bytes(waiting.sealed_link)
    assert open_url(waiting.sealed_link, tenant=acme.id, mail=letter.pk) == link.url
    assert open_url(waiting.sealed_link, tenant=acme.id, mail=uuid7()) is None
    post(acme)
    assert again(acme, letter).sealed_link is None


def test_a_message_is_tried_again_later_and_then_given_up(acme: TenantWorld, no_server) -> None:
    letter = write(acme)
    for tried in range(1, MOST_TRIES + 1):
        make_due(acme)
        post(acme)
        found = again(acme, letter)
        assert found.tries == tried
        assert found.next_try_at > timezone.now() + timedelta(seconds=50) * 2 ** (tried - 1)

    assert (found.state, found.sealed_link) == ("failed", None)
    assert "nobody listens" in found.problem
    with acme.acting():
        (event,) = events().filter(kind="identity:mail:fail")
        assert (event.subject_id, event.result) == (letter.pk, "failed")


def test_a_message_is_not_tried_before_its_time(acme: TenantWorld, no_server, settings) -> None:
    letter = write(acme)
    post(acme)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert post(acme) == []
    make_due(acme)
    assert len(post(acme)) == 1
    assert again(acme, letter).state == "sent"


@pytest.mark.parametrize(("code", "state"), [(550, "failed"), (450, "queued")])
def test_an_address_that_the_server_refuses_for_good_is_not_tried_again(
    acme: TenantWorld, no_server, monkeypatch, code: int, state: str
) -> None:
    refused = smtplib.SMTPRecipientsRefused({"alice@acme.example": (code, b"no such user")})
    monkeypatch.setattr(Refusing, "error", refused)
    letter = write(acme)

    post(acme)

    assert again(acme, letter).state == state


def test_a_lost_message_to_the_queue_is_made_up_for(acme: TenantWorld, monkeypatch) -> None:
    def lost(*_args, **_kwargs):
        raise ConnectionError

    asked = []
    with monkeypatch.context() as broken:
        broken.setattr(deliver_mail, "apply_async", lost)
        letter = write(acme)  # and no error for whoever asked
    monkeypatch.setattr(deliver_mail, "apply_async", lambda args, headers: asked.append((args, headers)))
    with as_role("worker"), acting_for(Context(acme.id)):
        enqueue_due_mail()

    assert [args for args, _ in asked] == [(str(letter.pk),)]


def test_the_queue_carries_an_id_and_nothing_else(acme: TenantWorld, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(deliver_mail, "apply_async", lambda args, headers: asked.append((args, headers)))

    link = Link.new(Purpose.PASSWORD, acme.id)
    letter = write(acme, link=link)

    assert asked[0][0] == (str(letter.pk),)
    assert link.token not in str(asked)
    assert "alice@acme" not in str(asked)


def test_the_task_runs_in_the_worker_whatever_the_writer_saw(acme: TenantWorld, monkeypatch, settings) -> None:
    asked = []
    monkeypatch.setattr(deliver_mail, "apply_async", lambda args, headers: asked.append((args, headers)))
    with acme.narrow():
        send_mail_on_commit("account_disabled", "alice@acme.example", CONTEXT)
    monkeypatch.undo()
    settings.MSPLEX_PROCESS = "worker"

    args, headers = asked[0]
    deliver_mail.push_request(**headers)  # as Celery does with what came from the queue
    try:
        with as_role("worker"):
            deliver_mail(*args)
    finally:
        deliver_mail.pop_request()

    assert len(mail.outbox) == 1


def test_names_write_no_headers_and_no_paragraphs() -> None:
    letter = read_letter("account_disabled", CONTEXT | {"name": "A\n\nBcc: eve@x.example\r\n\r\nSend money"})

    assert letter.subject == "Your account was disabled"
    assert len(letter.paragraphs) == 1
    assert "<b>" in read_letter("account_disabled", CONTEXT | {"name": "<b>"}).paragraphs[0]


def test_a_name_is_text_in_the_html(acme: TenantWorld) -> None:
    write(acme, name="<img src=x>")

    (sent,) = post(acme)

    assert "<img" not in sent.alternatives[0].content
    assert "&lt;img" in sent.alternatives[0].content


def test_the_demo_shows_the_link_on_a_line_of_its_own(acme: TenantWorld, settings, monkeypatch, tmp_path) -> None:
    settings.EMAIL_BACKEND = "identity.mail_backends.TerminalBackend"
    link = Link.new(Purpose.PASSWORD, acme.id)
    with acme.acting():
        context = {"email": "a@x.example", "workspace": "acme", "expires": "soon"}
        send_mail_on_commit("password_reset", "a@x.example", context, link=link)
    with (tmp_path / "terminal").open("w") as terminal:
        monkeypatch.setattr("sys.__stderr__", terminal)
        post(acme)

    assert link.url in (tmp_path / "terminal").read_text().splitlines()


def test_production_without_a_server_writes_links_nowhere(acme: TenantWorld, settings, capfd) -> None:
    backend = email_settings("", "msplex@x.example", production=True)["EMAIL_BACKEND"]
    settings.EMAIL_BACKEND = backend
    letter = write(acme, link=Link.new(Purpose.PASSWORD, acme.id))

    post(acme)

    assert backend.endswith(MissingBackend.__name__)
    assert "MSPLEX_EMAIL_URL" in again(acme, letter).problem
    assert "/links/" not in "".join(capfd.readouterr())
    assert email_settings("", "x@x.example", production=False)["EMAIL_BACKEND"].endswith(TerminalBackend.__name__)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp+tls://u:p%40ss@mail.example", ("mail.example", 587, "u", "p@ss", True, False)),
        ("smtp+ssl://mail.example", ("mail.example", 465, "", "", False, True)),
        ("smtp://mail.example:2525", ("mail.example", 2525, "", "", False, False)),
    ],
)
def test_the_server_is_read_from_one_address(url: str, expected: tuple[object, ...]) -> None:
    found = email_settings(url, "x@x.example", production=True)

    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    assert tuple(found[f"EMAIL_{name}"] for name in names) == expected


@pytest.mark.parametrize("url", ["mail.example", "http://u:topsecret@mail.example", "smtp+tls://u:topsecret@"])
def test_a_malformed_server_is_named_without_its_password(monkeypatch, url: str) -> None:
    monkeypatch.setenv("MSPLEX_EMAIL_URL", url)

    with pytest.raises(EnvironmentInvalid) as refused:
        read_environment()

    assert "MSPLEX_EMAIL_URL" in str(refused.value)
    assert "topsecret" not in str(refused.value)


def test_links_are_for_one_purpose_and_of_our_making(acme: TenantWorld) -> None:
    link = Link.new(Purpose.PASSWORD, acme.id)

    assert Link.read(Purpose.PASSWORD, link.token) == link
    assert Link.read(Purpose.INVITATION, link.token) is None
    assert Link.read(Purpose.PASSWORD, link.token[:-1] + "x") is None
    assert Link.read(Purpose.PASSWORD, "x" * 10_000) is None
    assert Link.read(Purpose.PASSWORD, "") is None
    assert len(link.secret) == 32


def test_a_customers_people_see_no_other_customers_messages(acme: TenantWorld) -> None:
    first, second = acme.customers[:2]
    for customer in (first, second, None):
        with acme.acting():
            scope = customer.pk if customer else None
            send_mail_on_commit("account_disabled", "x@x.example", CONTEXT, customer_id=scope)

    with acme.acting(first):
        assert [row.customer_id for row in Mail.objects.all()] == [first.pk]


def test_the_link_in_a_message_is_ours(acme: TenantWorld) -> None:
    link = Link.new(Purpose.PASSWORD, acme.id)
    with acme.acting():
        context = {"email": "a@x.example", "workspace": "http://evil.example/", "expires": "soon"}
        send_mail_on_commit("password_reset", "a@x.example", context, link=link)

    (sent,) = post(acme)

    assert link_in(sent) == link.url
    assert sent.alternatives[0].content.count("href=") == 1
