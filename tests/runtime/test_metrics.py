"""Numbers for Prometheus: complete over threads and children, of a known number, and with nothing of a tenant."""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connectors.exchanges import Exchange
from connectors.metrics import count_requests
from msplex.decision.verdicts import Code, Decision, Gate, Refusal, Resolved, Verdict
from msplex.metrics import calls as counted
from msplex.metrics.serving import address_of, serve_metrics
from msplex.metrics.text import exposition
from tenants.counting import CELLS, METRICS, ROWS, _memory, take_row
from tenants.metrics import tell_number, told_numbers
from tests.connectors.factories import connect
from tests.gateway.door import agent
from tests.processes import environment, free_port, gateway, stack_redis

ROOT = Path(__file__).resolve().parents[2]
_SERIES = re.compile(r'([a-z_]+)(\{[a-z]+="[^"{}\\]*"(?:,[a-z]+="[^"{}\\]*")*\})? (\S+)')


def read(text):
    """Series by name and labels; whatever is not of the format is a failure."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert re.fullmatch(r"# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))", line), line
            continue
        match = _SERIES.fullmatch(line)
        assert match, line
        found[match[1] + (match[2] or "")] = float(match[3])
    return found


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return read(answer.read().decode())


def probed(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.status, json.load(answer)


def change(work):
    before = read(exposition())
    work()
    after = read(exposition())
    return {
        name: after[name] - before.get(name, 0)
        for name in after
        if after[name] != before.get(name, 0) and name.startswith("msplex_") and "database" not in name
    }


def test_a_decision_counts_each_gate_the_refusal_and_what_became_of_the_call():
    passed = tuple(Verdict(gate, ok=True) for gate in list(Gate)[:8])
    shed = Decision((*passed, Verdict(Gate.CHECK_QUOTA, ok=False)), Resolved(), Refusal(Code.RATE_LIMITED, ""))

    found = change(lambda: counted.count_decision(shed, 0.004))

    assert found['msplex_decisions_total{gate="check_quota",outcome="refused"}'] == 1
    assert found['msplex_decisions_total{gate="resolve_tenant",outcome="passed"}'] == 1
    assert sum(number for name, number in found.items() if name.startswith("msplex_decisions")) == 9
    assert found['msplex_calls_total{outcome="shed"}'] == 1
    assert found['msplex_refusals_total{code="rate_limited"}'] == 1
    assert found['msplex_call_seconds_bucket{stage="decide",le="0.005"}'] == 1
    assert 'msplex_call_seconds_bucket{stage="decide",le="0.0025"}' not in found
    assert found['msplex_call_seconds_sum{stage="decide"}'] == pytest.approx(0.004)


def test_what_is_not_listed_is_other_and_cannot_become_a_label():
    found = change(lambda: counted.REFUSALS.add("acme-corp"))

    assert found == {'msplex_refusals_total{code="other"}': 1}


def test_vendor_requests_by_connector_and_outcome():
    told = [Exchange("GET", "/x", status, 20, trouble) for status, trouble in (
        (200, ""), (429, ""), (503, ""), (0, "vendor_timeout"), (0, "vendor_unreachable"))]  # fmt: skip

    found = change(lambda: count_requests("hudu", 7, told))

    outcomes = {
        name.split('"')[3]: number for name, number in found.items() if name.startswith("msplex_vendor_requests")
    }
    assert outcomes == {"2xx": 1, "429": 1, "5xx": 1, "timeout": 1, "no_answer": 1, "uncounted": 2}
    assert found['msplex_vendor_request_seconds_count{connector="hudu"}'] == 5


def test_no_increment_is_lost_between_threads():
    def many():
        for _ in range(2000):
            counted.REQUEST_SECONDS.observe(0.5)

    def all_at_once():
        threads = [threading.Thread(target=many) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert change(all_at_once)["msplex_http_request_seconds_count"] == 16000


CHILDREN = """
import os, tenants.counting as c
count = c.counter("x_total", "x", kind=("a",))
count.add("a")
for again in range(3):
    children = []
    for number in (1, 2):
        pid = os.fork()
        if not pid:
            c.take_row(number)
            for _ in range(1000):
                count.add("a")
            try:
                c.counter("late_total", "declared in a child")
            except RuntimeError:
                count.add("a")
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
print([number for _, _, number in count.samples()])
"""


def test_children_count_in_rows_of_their_own_and_those_that_follow_go_on_in_them():
    done = subprocess.run([sys.executable, "-c", CHILDREN], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[6007.0]\n"


@pytest.mark.parametrize("number", [0, ROWS, -1])
def test_there_is_a_row_for_each_child_and_no_more(number):
    with pytest.raises(ValueError, match="rows"):
        take_row(number)


def test_the_number_of_series_is_known_and_fits():
    assert _memory._used < CELLS
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_numbers_of_the_deployment_are_told_by_way_of_redis_and_grow_old(monkeypatch):
    tell_number("approvals", 3)
    assert told_numbers()["approvals"] == 3

    monkeypatch.setattr("tenants.metrics.time.time", lambda: 4e9)
    assert "approvals" not in told_numbers()


def test_the_sweeps_tell_how_many_approvals_wait_and_how_far_sealing_is_behind(settings):
    from approvals.tasks import expire_requests  # noqa: PLC0415
    from audit.watching import watch_lag  # noqa: PLC0415
    from tests.conftest import as_role  # noqa: PLC0415

    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        expire_requests()
        watch_lag()

    assert {"approvals", "sealing_lag"} <= told_numbers().keys()


def test_beat_alone_tells_what_is_of_the_deployment(settings):
    assert "msplex_queue_depth" not in exposition()

    settings.MSPLEX_PROCESS = "beat"
    found = read(exposition())

    assert {f'msplex_queue_depth{{queue="{queue}"}}' for queue in ("calls", "worker", "broker")} <= found.keys()
    assert found["msplex_breakers_open"] >= 0
    assert found["msplex_calls_waiting"] == 0
    assert found['msplex_build_info{version="0.1.0",process="beat"}'] == 1


def test_it_is_served_on_its_own_address_and_nothing_else_is(settings):
    port = free_port()
    settings.METRICS_ADDRESS = str(port)
    server = serve_metrics()
    try:
        assert server.server_address == ("127.0.0.1", port)
        assert scraped(port)["process_resident_memory_bytes"] > 0
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    finally:
        server.shutdown()
        server.server_close()


def test_it_is_served_at_an_address_of_ipv6_too(settings):
    settings.METRICS_ADDRESS = f"[::1]:{free_port()}"
    server = serve_metrics()
    try:
        with urllib.request.urlopen(f"http://{settings.METRICS_ADDRESS}/metrics", timeout=5) as answer:
            assert answer.status == 200
    finally:
        server.shutdown()
        server.server_close()


def test_none_is_served_without_an_address(settings):
    settings.METRICS_ADDRESS = ""
    assert serve_metrics() is None


def test_an_address_is_a_port_or_has_one():
    assert address_of("9400") == ("127.0.0.1", 9400)
    assert address_of("10.0.0.5:9400") == ("10.0.0.5", 9400)
    assert address_of("[::1]:9400") == ("::1", 9400)
    with pytest.raises(ImproperlyConfigured, match="MSPLEX_METRICS_ADDRESS"):
        address_of("everywhere")


@contextmanager
def worker_process(queue, port, path):
    """Of Celery, with children, that logs as in production."""
    command = [sys.executable, "-m", "celery", "-A", "msplex.celery:app", "--quiet", "worker", "-Q", queue]
    env = environment("worker", "worker", "MSPLEX_NOTIFY_KEY", "MSPLEX_PDF_CERTIFICATES")
    env |= {"REDIS_URL": settings.REDIS_URL, "MSPLEX_METRICS_ADDRESS": str(port), "MSPLEX_LOG_FORMAT": "json"}
    with path.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--concurrency", "2", "-n", f"{queue}@test"], cwd=ROOT, env=env, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.slow
def test_children_of_a_real_worker_count_where_their_parent_tells_it(tmp_path, monkeypatch):
    from msplex.tasks import watch_lag  # noqa: PLC0415

    queue, port, path = f"numbers-{uuid4().hex}", free_port(), tmp_path / "said"
    with worker_process(queue, port, path) as process:
        for _ in range(6):
            watch_lag.apply_async(queue=queue)
        deadline, found = time.monotonic() + 90, {}
        while found.get('msplex_tasks_total{queue="worker",outcome="ok"}', 0) < 6:
            assert process.poll() is None
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.2)
            with suppress(OSError):
                found = scraped(port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            assert answer.status == 200
    said = [json.loads(each) for each in path.read_text().splitlines() if each.startswith("{")]

    assert found['msplex_task_wait_seconds_count{queue="worker"}'] == 6
    assert [each for each in said if each["level"] == "ERROR"] == []
    rows = [each["message"] for each in said if each["logger"] == "celery.worker.strategy"]
    assert len(rows) == 6


@pytest.mark.slow
@pytest.mark.xdist_group("stack")
def test_real_processes_count_a_call_once_each_and_never_at_the_door(vendor, broker_process):
    world = connect(vendor)
    ports = free_port(), free_port()
    with gateway(stack_redis(), MSPLEX_METRICS_ADDRESS=str(ports[0])) as url:
        broker_process.stop()
        broker_process.start(MSPLEX_METRICS_ADDRESS=str(ports[1]))
        try:
            door = agent(url, world, world.tenant.customers[0])
            answered = door.call("halopsa_list_tickets", limit=1)
            door.call("halopsa_nothing")
            at_gateway, at_broker = map(scraped, ports)
            probes = [probed(port, path) for port in ports for path in ("/healthz", "/readyz")]
        finally:
            broker_process.stop()
            broker_process.start()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("/mcp", "/metrics"), timeout=5)

    assert answered["structuredContent"]["count"] == 1
    assert [(status, said["status"]) for status, said in probes] == [(200, "ok")] * 4
    assert at_gateway['msplex_calls_total{outcome="admitted"}'] == 1
    assert at_gateway['msplex_calls_total{outcome="refused"}'] == 1
    assert at_gateway['msplex_refusals_total{code="unknown_tool"}'] == 1
    assert at_gateway['msplex_call_seconds_count{stage="answer"}'] == 1
    assert at_gateway['msplex_database_connections{state="all"}'] >= 1
    assert at_gateway['msplex_http_requests_total{status="2xx"}'] >= 1
    assert at_broker['msplex_call_outcomes_total{state="succeeded"}'] == 1
    assert at_broker['msplex_decisions_total{gate="execute",outcome="passed"}'] == 1
    assert at_broker['msplex_credential_opens_total{outcome="opened"}'] == 1
    assert (
        sum(n for name, n in at_broker.items() if name.startswith('msplex_vendor_requests_total{connector="halopsa"'))
        >= 1
    )
    assert at_broker['msplex_call_seconds_count{stage="queue"}'] == 1
    said = f"{at_gateway}{at_broker}"
    for secret in (str(world.tenant.id), world.tenant.customers[0].name, "list_tickets"):
        assert secret not in said
