"""Messages as whoever can write to the queue would forge them, run as a worker runs them."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery import shared_task
from celery.worker.request import Request
from django.db import transaction
from kombu.message import Message

from msplex.celery import app
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for, current
from tenants.isolation.tasks import PlainTask, TaskRefused, TenantTask
from tenants.models import Customer
from tenants.process import Process
from tenants.tracing import span
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.spans import told

ran: list[tuple[Context | None, tuple[Any, ...], dict[str, Any], set[Any]]] = []
Forge = Callable[["Letter"], None]


@shared_task(name="tests.look", base=TenantTask, process=Process.WORKER)
def look(*args: Any, **kwargs: Any) -> None:
    with transaction.atomic():
        seen = set(Customer.objects.values_list("id", flat=True))
    ran.append((current(), args, kwargs, seen))


@shared_task(name="tests.look_away", base=TenantTask, process=Process.WORKER)
def look_away(*args: Any, **kwargs: Any) -> None:
    ran.append((current(), args, kwargs, set()))


@shared_task(name="tests.sweep", base=PlainTask, process=Process.WORKER)
def sweep() -> None:
    ran.append((current(), (), {}, set()))


class Letter:
    """A message in the queue, opened: what stands in its headers and its body."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.headers: dict[str, Any] = message.headers
        self.args, self.kwargs, self.embed = message.decode()

    @property
    def context(self) -> list[Any]:
        return self.headers["msplex"]["context"]

    def deliver(self) -> Any:
        """What the worker's own code makes of it."""
        self.message._decoded_cache = [self.args, self.kwargs, self.embed]
        request = Request(self.message, app=app, on_reject=lambda *_: None, on_ack=lambda *_: None)
        failure = request.execute()
        if isinstance(failure, ExceptionInfo):
            return getattr(failure.exception, "exc", failure.exception)  # as it is wrapped for another process
        return failure


@pytest.fixture(autouse=True)
def _worker(settings: Any) -> Iterator[None]:
    ran.clear()
    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        yield


@pytest.fixture
def worlds() -> tuple[TenantWorld, TenantWorld]:
    with as_role("app"):
        return make_tenant("acme"), make_tenant("globex")


@pytest.fixture
def spans() -> Iterator[Callable[[], Any]]:
    with told() as found:
        yield found


@pytest.fixture
def post() -> Callable[..., Letter]:
    """Send as producers do, over the real queue, and take the message out again."""
    queue = f"tests-{secrets.token_hex(4)}"

    def send(task: Any, *args: Any, **kwargs: Any) -> Letter:
        task.apply_async(args, kwargs, queue=queue)
        with app.connection_for_read() as connection:
            message = connection.SimpleQueue(queue).get(timeout=5)
            message.ack()
        return Letter(message)

    return send


def test_an_honest_message_acts_for_its_tenant_customers_and_principal(worlds, post):
    acme, _ = worlds
    scope, principal = (acme.customers[0].id, acme.customers[1].id), uuid7()
    with acting_for(Context(acme.id, scope, principal)):
        letter = post(look, "a", of="b")

    assert letter.deliver() is None
    assert ran == [(Context(acme.id, scope, principal), ("a",), {"of": "b"}, set(scope))]
    assert current() is None


def test_a_message_names_the_tenant_in_its_header_alone(worlds, post):
    acme, _ = worlds
    with acting_for(Context(acme.id)):
        letter = post(look, "a", of="b")

    assert letter.args == ["a"]
    assert letter.kwargs == {"of": "b"}
    assert set(letter.headers["msplex"]) == {"context", "mac"}


def set_context(place: int, value: Callable[[TenantWorld], Any]) -> Callable[[Letter, TenantWorld], None]:
    def forge(letter: Letter, globex: TenantWorld) -> None:
        letter.context[place] = value(globex)

    return forge


def without_mac(letter: Letter, _: TenantWorld) -> None:
    del letter.headers["msplex"]["mac"]


def with_a_strange_mac(letter: Letter, _: TenantWorld) -> None:
    letter.headers["msplex"]["mac"] = "é"


FORGERIES: dict[str, Callable[[Letter, TenantWorld], object]] = {
    "no header": lambda letter, _: letter.headers.pop("msplex"),
    "header of another shape": lambda letter, _: letter.headers.update(msplex="x"),
    "header without a context": lambda letter, _: letter.headers["msplex"].pop("context"),
    "context of another shape": lambda letter, _: letter.headers["msplex"].update(context={}),
    "header without a mac": without_mac,
    "a mac that is none": with_a_strange_mac,
    "another argument": lambda letter, _: letter.args.__setitem__(0, "z"),
    "one argument more": lambda letter, _: letter.args.append("z"),
    "an argument as a keyword": lambda letter, _: (letter.kwargs.update(a=letter.args.pop()),),
    "another keyword": lambda letter, _: letter.kwargs.update(of="z"),
    "one keyword more": lambda letter, _: letter.kwargs.update(more="z"),
    "one keyword less": lambda letter, _: letter.kwargs.clear(),
    "another tenant": set_context(0, lambda globex: str(globex.id)),
    "every customer": set_context(1, lambda _: None),
    "another customer": set_context(1, lambda globex: [str(globex.customers[0].id)]),
    "no customer": set_context(1, lambda _: []),
    "another principal": set_context(2, lambda _: str(uuid7())),
    "no principal": set_context(2, lambda _: None),
    "another task": lambda letter, _: letter.headers.update(task="tests.look_away"),
    "a task of Celery's own, which calls others": lambda letter, _: letter.headers.update(task="celery.map"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_message_is_refused(worlds, post, what):
    acme, globex = worlds
    with acting_for(Context(acme.id, (acme.customers[0].id,), uuid7())):
        letter = post(look, "a", of="b")
    FORGERIES[what](letter, globex)

    assert isinstance(letter.deliver(), TaskRefused)
    assert ran == []


def test_the_mac_of_another_message_is_refused(worlds, post):
    """Of another task, of other arguments, of another tenant: a whole header that was honest elsewhere."""
    acme, globex = worlds
    with acting_for(Context(acme.id)):
        letter = post(look, "a")
        others = [post(look_away, "a"), post(look, "b"), post(look, "a", of="b")]
    for other in others:
        letter.headers["msplex"] = other.headers["msplex"]
        assert isinstance(letter.deliver(), TaskRefused)
    with acting_for(Context(globex.id)):
        letter.headers["msplex"]["mac"] = post(look, "a").headers["msplex"]["mac"]
    assert isinstance(letter.deliver(), TaskRefused)
    assert ran == []


def test_a_message_of_another_deployment_is_refused(worlds, post, settings):
    acme, _ = worlds
    key, settings.CONTEXT_KEY = settings.CONTEXT_KEY, secrets.token_bytes(32)
    with acting_for(Context(acme.id)):
        letter = post(look)
    settings.CONTEXT_KEY = key

    assert isinstance(letter.deliver(), TaskRefused)
    assert ran == []


@pytest.mark.parametrize("process", ["portal", "gateway", "broker", "beat", "provider", "command"])
def test_a_task_runs_in_its_own_process_alone(worlds, post, settings, process):
    acme, _ = worlds
    with acting_for(Context(acme.id)):
        letters = [post(look), post(sweep)]
    settings.MSPLEX_PROCESS = process

    for letter in letters:
        assert isinstance(letter.deliver(), TaskRefused)
    assert ran == []


@pytest.mark.filterwarnings("ignore:Exception raised outside body:RuntimeWarning")
def test_a_callback_written_into_a_message_gets_no_context(worlds, post):
    """It is sent after the task's own context has ended, so there is nothing to sign for it."""
    acme, _ = worlds
    with acting_for(Context(acme.id)):
        letter = post(look, "a")
    letter.embed["callbacks"] = [json.loads(json.dumps(look_away.s("z")))]

    assert isinstance(letter.deliver(), LookupError)
    assert [args for _, args, _, _ in ran] == [("a",)]


def test_without_a_context_nothing_is_sent(post):
    with pytest.raises(LookupError, match="no tenant context"):
        post(look)


def test_what_is_sent_on_commit_is_for_the_context_it_was_asked_in(worlds, monkeypatch):
    acme, _ = worlds
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(PlainTask, "apply_async", lambda _self, *_args, **options: sent.append(options["headers"]))
    with acting_for(Context(acme.id, ())), transaction.atomic():
        with acting_for(Context(acme.id)):
            look.delay_on_commit("a")
        assert sent == []

    assert [header["msplex"]["context"] for header in sent] == [[str(acme.id), None, None]]


@pytest.mark.parametrize("task", [look, sweep])
def test_a_task_is_traced_under_whoever_has_sent_it(worlds, post, spans, task):
    acme, _ = worlds
    with acting_for(Context(acme.id)), span("sends"):
        letter = post(task)
    letter.deliver()

    sends, takes = spans()
    assert (sends.name, takes.name) == ("sends", "task")
    assert takes.parent.span_id == sends.context.span_id
    assert takes.context.trace_id == sends.context.trace_id


def test_what_is_sent_on_commit_is_traced_under_what_asked_for_it(worlds, monkeypatch, spans):
    acme, _ = worlds
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(PlainTask, "apply_async", lambda _self, *_args, **options: sent.append(options["headers"]))
    with acting_for(Context(acme.id)), transaction.atomic(), span("around"):
        with span("asks"):
            look.delay_on_commit("a")
        with span("afterwards"):
            pass

    asks = next(each for each in spans() if each.name == "asks")
    assert sent[0]["traceparent"].split("-")[2] == f"{asks.context.span_id:016x}"


@pytest.mark.parametrize("written", ["nonsense", 7, None, ["x"]])
def test_a_trace_that_is_none_begins_one(worlds, post, spans, written):
    acme, _ = worlds
    with acting_for(Context(acme.id)):
        letter = post(look)
    letter.headers["traceparent"] = written

    assert letter.deliver() is None
    assert spans()[-1].parent is None


def test_without_tracing_a_message_says_nothing_of_it(worlds, post):
    acme, _ = worlds
    with acting_for(Context(acme.id)):
        letter = post(look)

    assert "traceparent" not in letter.headers
