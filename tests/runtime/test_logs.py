"""What the processes say: one line of JSON a record, and nothing in it that anybody sent, typed or keeps secret."""

import io
import json
import logging
import sys
import threading
import warnings
from uuid import uuid4

import pytest
from celery.app.trace import trace_task
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client, RequestFactory

from msplex import access
from msplex.celery import app
from msplex.logs.config import GRANIAN, logging_config
from msplex.logs.lines import JsonLines
from tenants.bound import bound
from tenants.errors import DomainError
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import PlainTask
from tenants.process import Process
from tests.connectors.factories import connect
from tests.gateway.door import agent
from tests.processes import Broker, gateway, stack_redis

CANARY = "canary-8d1f5e"


@pytest.fixture
def said():
    """The root's log at DEBUG, as production writes it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("msplex.access").setLevel(logging.DEBUG)
    yield lambda: [json.loads(each) for each in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)
    logging.getLogger("msplex.access").setLevel(logging.WARNING)


def one(said, **wanted):
    found = [each for each in said() if wanted.items() <= each.items()]
    assert len(found) == 1, said()
    return found[0]


def test_a_record_is_one_line_with_the_ids_that_are_bound(said):
    tenant, call = uuid4(), uuid4()

    with acting_for(Context(tenant)), bound(call=call, request="0123456789abcdef"):
        logging.getLogger("msplex.tests").warning("two\nlines of %s", call)

    line_ = one(said, logger="msplex.tests")
    assert line_["message"] == f"two\nlines of {call}"
    assert (line_["tenant"], line_["call"], line_["request"]) == (str(tenant), str(call), "0123456789abcdef")
    assert (line_["level"], line_["process"]) == ("WARNING", "command")
    assert line_["time"].endswith("Z")
    assert len(line_["time"]) == len("2026-11-28T10:12:02.123Z")


def _fails_in_sql():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::integer", [CANARY])


def test_of_an_exception_only_types_codes_and_places_are_said(said):
    try:
        try:
            _fails_in_sql()
        except DatabaseError as error:
            raise ValueError(CANARY) from error
    except ValueError as error:
        logging.getLogger("msplex.tests").error("it failed: %s", error, exc_info=error)  # noqa: TRY400

    told = one(said, logger="msplex.tests")
    assert CANARY not in json.dumps(said())
    assert told["message"] == "it failed: ValueError"
    assert [each["type"] for each in told["exception"]] == [
        "ValueError", "django.db.utils.DataError", "psycopg.errors.InvalidTextRepresentation[22P02]"
    ]  # fmt: skip
    assert told["exception"][0]["frames"][0].startswith("tests/runtime/test_logs.py:")
    assert any(frame.startswith("django/db/backends/utils.py:") for frame in told["exception"][1]["frames"])


def test_the_values_of_a_statement_are_not_said_where_every_statement_is(said, monkeypatch):
    # The connection itself: undone through the proxy, the attribute would be gone.
    monkeypatch.setattr(connections["default"], "force_debug_cursor", True)
    statements = logging.getLogger("django.db.backends")
    statements.setLevel(logging.DEBUG)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::text", [CANARY])
    finally:
        statements.setLevel(logging.NOTSET)

    told = [each for each in said() if each["logger"] == "django.db.backends"]
    assert any("args=…" in each["message"] for each in told)
    assert CANARY not in json.dumps(said())


def test_every_exception_of_a_group_and_the_code_of_ours(said):
    class Known(DomainError):
        pass

    Known.__module__ = "msplex.tests"
    group = ExceptionGroup(CANARY, [KeyError(CANARY), Known(CANARY)])
    logging.getLogger("msplex.tests").error("a group", exc_info=group)

    kinds = [each["type"] for each in one(said, logger="msplex.tests")["exception"]]
    assert kinds[:2] == ["ExceptionGroup", "KeyError"]
    assert kinds[2].endswith("Known[invalid]")
    assert CANARY not in json.dumps(said())


@pytest.mark.parametrize(
    ("name", "template", "arguments", "message"),
    [
        ("django.request", "%s: %s", ("Bad Request", f"/x/{CANARY}"), "…: …"),
        ("kombu.x", "sent %s to %d", (CANARY, 3), "sent … to 3"),
        ("celery.app.trace", "%(name)s[%(id)s] in %(runtime)ss: %(return_value)s",
         ({"name": "a.b", "id": "7", "runtime": 1.5, "return_value": CANARY, "args": CANARY},), "a.b[7] in 1.5s: …"),
        ("asyncio", f"put together {CANARY}", (), "(test_logs:"),
        ("celery.redirected", f"printed {CANARY}", (), "(test_logs:"),
        ("_granian", "Listening at: http://127.0.0.1:8001", (), "Listening at: http://127.0.0.1:8001"),
        ("py.warnings", "%s", (f"/a/site-packages/b/c.py:7: UserWarning: {CANARY}",), "b/c.py:7: UserWarning"),
    ],
)  # fmt: skip
def test_of_libraries_the_sentence_is_said_and_not_its_arguments(said, name, template, arguments, message):
    logging.getLogger(name).error(template, *arguments)

    assert one(said, logger=name)["message"].startswith(message)
    assert CANARY not in json.dumps(said())


def test_a_number_that_is_hidden_leaves_the_sentence_as_it_stands():
    record = logging.makeLogRecord({"name": "library", "msg": "%d of %d", "args": (CANARY, 3)})

    assert json.loads(JsonLines().format(record))["message"] == "%d of %d"


def test_a_field_that_is_not_declared_is_dropped_and_so_is_what_is_no_word(said):
    extra = {"status": 200, "ms": 1.5, "route": f"has spaces {CANARY}", "arguments": CANARY, "data": {"x": CANARY}}

    logging.getLogger("msplex.tests").info("request", extra=extra)

    told = one(said, logger="msplex.tests")
    assert (told["status"], told["ms"]) == (200, 1.5)
    assert not {"route", "arguments", "data"} & told.keys()
    assert CANARY not in json.dumps(said())


def test_a_request_is_one_line_that_names_its_route_and_nothing_of_its_address(said):
    Client().get(f"/customers/{uuid4()}/?q={CANARY}", headers={"user-agent": CANARY, "x-thing": CANARY})
    Client().get(f"/nothing/{CANARY}")

    first, second = [each for each in said() if each["logger"] == "msplex.access"]
    assert (first["route"], first["method"], first["status"]) == ("portal:customer", "GET", 302)
    assert (second["route"], second["status"]) == ("none", 404)
    assert first["ms"] > 0
    assert len(first["request"]) == 32
    assert CANARY not in json.dumps(said())


@pytest.mark.parametrize(
    ("given", "kept"),
    [("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", True), (f"{CANARY}-and-more-of-it", False), ("beef", False), ("", False)],
)
def test_a_request_id_of_a_proxy_is_believed_where_it_is_hex_digits(given, kept):
    request = RequestFactory().get("/", headers={"x-request-id": given} if given else {})

    found = access.request_id(request)

    assert (found == given) == kept
    assert given or request.headers["X-Request-ID"] == found  # so that the audit log has the same


def test_a_task_and_its_failure_are_named_without_its_arguments(said):
    class Failing(PlainTask):
        name = "tests.failing"
        process = Process.COMMAND

        def run(self, value):
            logging.getLogger("msplex.tests").info("inside")
            raise ValueError(value)

    task = app.register_task(Failing())
    try:
        trace_task(task, str(uuid4()), [CANARY], {}, request={"hostname": "here"}, app=app)
    finally:
        app.tasks.unregister(task.name)

    assert one(said, logger="msplex.tests")["task"] == "tests.failing"
    failure = one(said, logger="celery.app.trace")
    assert "tests.failing" in failure["message"]
    assert failure["exception"][0]["type"] == "ValueError"
    assert CANARY not in json.dumps(said())


def test_what_nobody_caught_goes_the_same_way(said, monkeypatch):
    from msplex.logs.lines import say_all_in_lines  # noqa: PLC0415

    for place, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(place, name, getattr(place, name))
    monkeypatch.setattr(logging, "raiseExceptions", True)
    say_all_in_lines()
    try:
        thread = threading.Thread(target=int, args=[CANARY])
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError(CANARY), None)
    finally:
        logging.captureWarnings(capture=False)

    assert [each["message"] for each in said() if each["level"] == "CRITICAL"] == ["a thread ends", "the process ends"]
    assert CANARY not in json.dumps(said())
    assert warnings.showwarning is not None


def test_the_servers_parent_logs_in_the_same_form():
    config = json.loads(GRANIAN.read_text())

    assert config["formatters"]["json"] == logging_config("INFO", json=True, to_stdout=True)["formatters"]["json"]


@pytest.mark.slow
@pytest.mark.xdist_group("stack")
def test_real_processes_say_nothing_of_a_call_at_any_level(vendor, broker_process, gateway_url, tmp_path):
    """A gateway and a broker that log as in production, at DEBUG, while calls succeed, fail and are malformed."""
    path = tmp_path / "said"
    told = {"MSPLEX_LOG_FORMAT": "json", "MSPLEX_LOG_LEVEL": "DEBUG"}
    world = connect(vendor)
    with path.open("ab") as output, gateway(stack_redis(), output=output, **told) as url:
        broker_process.stop()
        other = Broker()
        other.start(output=output, **told)
        try:
            door = agent(url, world, world.tenant.customers[0])
            good = door.call("halopsa_list_tickets", limit=1)
            door.call("halopsa_list_tickets", limit=CANARY)
            door.call(f"halopsa_{CANARY}", text=CANARY)
            door.post("tools/list", {}, **{"X-Thing": CANARY, "Mcp-Method": CANARY})
            agent(f"{url}?{CANARY}", world, world.tenant.customers[0]).post("tools/list", {})
            vendor.behave("500_key")
            bad = door.call("halopsa_list_tickets", limit=2)
        finally:
            other.stop()
            broker_process.start()
    lines = path.read_text().splitlines()
    records = [json.loads(each) for each in lines]

    assert good["structuredContent"]["count"] == 1
    assert bad["isError"]
    assert {each["process"] for each in records} == {"gateway", "broker"}
    requests = [each for each in records if each["message"] == "request" and each["route"] == "mcp"]
    assert len(requests) == 6
    assert all(each["tenant"] == str(world.tenant.id) and each["request"] for each in requests)
    for secret in (CANARY, door.token, "halopsa_list_tickets", world.tenant.customers[0].name):
        assert secret not in path.read_text()
