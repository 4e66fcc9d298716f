"""Spans: one trace through gateway, queue and broker, with ids and codes, and nothing that was sent or answered."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID, uuid4

import pytest
from django.test import Client

from msplex.dispatch.line import Place
from msplex.tracing import TracingMissing, begin_tracing
from tenants.tracing import ATTRIBUTES, span, traceparent
from tests.connectors.factories import connect
from tests.gateway.door import agent
from tests.processes import gateway, stack_redis
from tests.spans import WITHOUT, told

CANARY = "canary-77aa01"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def spans():
    """What is told in this process."""
    with told() as found:
        yield found


def test_without_a_collector_nothing_is_traced_or_loaded(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    assert begin_tracing() is False
    with span("x", call=uuid4()) as told:
        told.set(code="x")
    assert traceparent() == ""


def test_who_is_to_send_and_cannot_does_not_start(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(TracingMissing, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set.*install otel"):
        begin_tracing()


@pytest.mark.parametrize(
    ("message", "trace"),
    [
        (json.dumps({"call": "1", "trace": PARENT}), PARENT),
        (json.dumps({"call": "1"}), ""),
        (json.dumps({"trace": {"x": 1}}), ""),
        ("[]", ""),
        ("nonsense", ""),
    ],
)
def test_a_message_brings_its_trace_or_none(message, trace):
    assert Place(b"1-0", b"t", message.encode()).trace == trace


def test_a_span_says_what_is_declared_and_nothing_else(spans):
    with span("outer", call=UUID(int=1), arguments=CANARY, customer=CANARY) as told:
        told.set(code="busy", body=CANARY, gate="")

    (only,) = spans()
    assert only.attributes == {"msplex.call": str(UUID(int=1)), "msplex.code": "busy"}
    assert not {"arguments", "name", "tool", "customer", "path", "url"} & ATTRIBUTES


def test_a_failure_is_told_by_its_type(spans):
    with pytest.raises(ValueError, match=CANARY), span("fails"):
        raise ValueError(CANARY)

    (only,) = spans()
    assert only.status.description == "ValueError"
    assert only.events == ()
    assert CANARY not in only.to_json()


def test_a_trace_goes_on_behind_a_message(spans):
    with span("sends", "SERVER", parent=PARENT):
        sent = traceparent()
    with span("takes", "CONSUMER", parent=sent):
        pass

    sends, takes = spans()
    assert f"{sends.context.trace_id:032x}" == f"{takes.context.trace_id:032x}" == TRACE
    assert takes.parent.span_id == sends.context.span_id


@pytest.mark.parametrize("parent", ["", CANARY, "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_is_no_traceparent_begins_a_trace(spans, parent):
    with span("x", parent=parent):
        pass

    assert spans()[0].parent is None


def test_a_request_to_the_portal_is_a_span_with_its_route(spans):
    Client().get(f"/nothing/{CANARY}?q={CANARY}", headers={"user-agent": CANARY, "x-request-id": TRACE})

    (only,) = [each for each in spans() if each.name == "request"]
    assert only.attributes["msplex.route"] == "none"
    assert only.attributes["msplex.status"] == 404
    assert only.attributes["msplex.request"] == TRACE
    assert CANARY not in only.to_json()


class Collector(HTTPServer):
    """Takes OTLP over HTTP, as a collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Take)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spans(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
                for scope in resource.scope_spans:
                    yield from ((service, each) for each in scope.spans)


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


@pytest.mark.slow
@pytest.mark.xdist_group("stack")
def test_a_call_is_one_trace_through_real_processes(vendor, broker_process):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason=WITHOUT)
    collector = Collector()
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}"}
    told |= {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    world = connect(vendor)
    customer = world.tenant.customers[0]
    with gateway(stack_redis(), **told) as url:
        broker_process.stop()
        broker_process.start(**told)
        try:
            door = agent(url, world, customer)
            headers = {"traceparent": PARENT, "tracestate": CANARY}
            answer = door.post(
                "tools/call", {"name": "halopsa_list_tickets", "arguments": {"limit": 1}}, **headers
            ).json()["result"]
            door.post("tools/call", {"name": f"halopsa_{CANARY}", "arguments": {"x": CANARY}})
        finally:
            broker_process.stop()  # which sends what it has
            broker_process.start()
    collector.shutdown()
    collector.server_close()
    found = list(collector.spans())
    ours = {(service, each.name): each for service, each in found if each.trace_id.hex() == TRACE}

    assert answer["structuredContent"]["count"] == 1
    assert ours.keys() >= {
        ("msplex-gateway", "mcp request"), ("msplex-gateway", "decide"), ("msplex-broker", "run call"),
        ("msplex-broker", "wait in the queue"), ("msplex-broker", "vendor request"),
    }  # fmt: skip
    decided, ran = ours["msplex-gateway", "decide"], ours["msplex-broker", "run call"]
    assert ran.parent_span_id == decided.span_id
    assert {each.key for _, span_ in found for each in span_.attributes} <= {f"msplex.{name}" for name in ATTRIBUTES}
    everything = b"".join(collector.bodies)
    for secret in (CANARY, "list_tickets", customer.name, customer.key, door.token):
        assert secret.encode() not in everything
