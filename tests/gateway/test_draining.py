"""SIGTERM to a gateway with calls in its hands: it says that it goes, answers what it has, and then it is gone."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import httpx2
import pytest
from django.test import Client

from connectors.models import ToolCall
from msplex.draining import begin_draining
from msplex.guard import KEYS
from tenants.process import Process
from tests.conftest import stack_redis
from tests.connectors.factories import connect
from tests.gateway.door import agent
from tests.gateway.test_streams import listening
from tests.processes import ROOT, environment, free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST, CALLS = "halopsa_list_tickets", 50


@pytest.fixture
def world(vendor):
    return connect(vendor)


@contextlib.contextmanager
def door_process(interface: str = "asgi", **more: str):
    port = free_port()
    command = [sys.executable, "-m", "msplex.door", interface, "--port", str(port), "--log-level", "warning"]
    process = {"asgi": "gateway", "wsgi": "portal"}[interface]
    keys = [f"MSPLEX_{name}" for name in sorted(KEYS[Process(process)])]
    env = environment(process, "app", *keys) | {"REDIS_URL": stack_redis()} | more
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(20)


def ready(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def until(condition, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def kind_of(answer) -> str:
    if isinstance(answer, Exception):
        return "lost"
    if "isError" not in answer:
        return "not let in"  # too many at once: told so, and not recorded
    return "refused" if answer["isError"] else "succeeded"


def called(door, answers: list) -> None:
    try:
        answers.append(door.call(LIST, limit=1))
    except httpx2.HTTPError as error:
        answers.append(error)


def test_calls_in_flight_are_answered_once_and_the_door_says_that_it_goes(world, vendor, broker_process):
    vendor.behave("slow", delay=0.3)
    vendor.reset()
    answers: list = []
    with door_process(MSPLEX_DRAIN_SECONDS="8", MSPLEX_STOP_SECONDS="40") as (process, url):
        door = agent(f"{url}/mcp", world, world.tenant.customers[0])
        threads = [threading.Thread(target=called, args=(door, answers)) for _ in range(CALLS)]
        for thread in threads:
            thread.start()
        assert until(lambda: vendor.seen()["api"] >= 1)
        process.send_signal(signal.SIGTERM)

        assert until(lambda: ready(url) == 503, 7)
        late = door.call(LIST, limit=1)  # whoever was sent here all the same
        for thread in threads:
            thread.join(60)
        assert process.wait(60) == 0

    told = Counter(kind_of(each) for each in [*answers, late])
    assert len(answers) == CALLS
    assert told["lost"] == 0
    with world.tenant.acting():
        states = Counter(ToolCall.objects.values_list("state", flat=True))
    assert states.total() == CALLS + 1 - told["not let in"]
    assert set(states) <= {"succeeded", "refused", "failed"}  # nothing is left running or waiting
    assert vendor.seen()["api"] == states["succeeded"] == told["succeeded"] > 0


def test_a_stream_ends_properly_and_is_not_opened_again_there(world, broker_process):
    with door_process(MSPLEX_DRAIN_SECONDS="8") as (process, url):
        door = agent(f"{url}/mcp", world, world.tenant.customers[0])
        with listening(door) as heard:
            next(heard)
            process.send_signal(signal.SIGTERM)
            last = list(heard)
        assert until(lambda: ready(url) == 503, 7)
        with listening_refused(door) as answer:
            assert answer["error"]["message"].startswith("This process of the gateway ends")
        assert process.wait(30) == 0

    assert last[-1]["result"]["resultType"] == "complete"


@contextlib.contextmanager
def listening_refused(door):
    params = {"notifications": {"toolsListChanged": True}}
    answer = door.post("subscriptions/listen", params)
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    yield json.loads(data[-1] if data else answer.text)


HEEDING = """
import ctypes, os, signal, threading, time
from msplex import draining

def look():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), draining.SIGNAL)
    time.sleep(0.5)
    print(draining.is_draining(), flush=True)
    os._exit(0)

draining.heed_signal()
threading.Thread(target=look).start()
ctypes.CDLL(None).sleep(20)  # the main thread is where it runs no handler
"""


def test_a_signal_that_another_thread_gets_is_heeded_too():
    done = subprocess.run([sys.executable, "-c", HEEDING], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"


def test_the_portal_that_is_about_to_end_says_so_and_serves_on(monkeypatch):
    begun = threading.Event()
    monkeypatch.setattr("msplex.draining._begun", begun)
    before = Client().get("/readyz").json()["serving"]
    begin_draining()

    answer = Client().get("/readyz")
    assert (before, answer.json()["serving"], answer.status_code) == (True, False, 503)
    assert Client().get("/healthz").status_code == 200


def test_a_door_whose_workers_crash_does_not_wait(world):
    with door_process(MSPLEX_DRAIN_SECONDS="30") as (process, url):
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        for pid in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert until(lambda: _answers(url))  # a new one is there
        process.kill()
        assert until(lambda: not _answers(url))  # and does not outlive its parent


def _answers(url: str) -> bool:
    try:
        return ready(url) == 200
    except OSError:
        return False
