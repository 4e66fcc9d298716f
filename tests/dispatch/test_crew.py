"""The threads of a broker process: what they do with what fails, and how they end."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from msplex import execution
from msplex.dispatch import crew as crews
from msplex.dispatch import line
from msplex.dispatch.crew import Crew
from msplex.dispatch.line import Stand
from msplex.dispatch.whereabouts import is_known_to_be_gone, name_of_this_process
from msplex.pulse import PULSE
from msplex.replies import Reply
from tenants.isolation.context import Context, acting_for, current

pytestmark = pytest.mark.xdist_group("line")  # one of them makes the server forget all scripts

ACME = Context(uuid4(), (uuid4(),))


class Calls:
    """Stands where calls are run: notes them, and holds those that are told to wait."""

    def __init__(self) -> None:
        self.seen: list[tuple[UUID, bool]] = []
        self.go_on = threading.Event()
        self.begun = threading.Event()

    def run(self, call: UUID, *, again: bool = False) -> Reply | None:
        assert current() == ACME
        self.seen.append((call, again))
        self.begun.set()
        assert self.go_on.wait(30)
        return Reply(f"reply-{call}", b"sealed")


@pytest.fixture
def calls(monkeypatch):
    calls = Calls()
    monkeypatch.setattr(execution, "run", calls.run)
    monkeypatch.setattr(crews, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(crews, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(crews, "MOST_MEMORY", sys.maxsize)  # that of a broker, which a process of tests outgrows
    return calls


@pytest.fixture
def crew(client, calls):
    crew = Crew(Stand("crew"))
    crew.start()
    watch = threading.Thread(target=crew.watch)
    watch.start()
    yield crew
    calls.go_on.set()
    crew.ending.set()
    watch.join(30)
    assert not watch.is_alive()


def send() -> UUID:
    call = uuid4()
    with acting_for(ACME):
        line.send(call)
    return call


def wait_until(true) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_that_has_grown_ends_when_its_calls_have(crew, calls, client, monkeypatch):
    call = send()
    assert calls.begun.wait(30)
    monkeypatch.setattr(crews, "MOST_MEMORY", 1)
    wait_until(crew.ending.is_set)
    calls.go_on.set()
    wait_until(lambda: not client.exists(line.ALIVE + "crew"))

    assert client.lrange(f"reply-{call}", 0, -1) == [b"sealed"]


def test_told_to_end_it_ends_what_it_has_begun_and_begins_nothing_more(crew, calls, client):
    call = send()
    assert calls.begun.wait(30)
    crew.ending.set()
    time.sleep(0.2)
    later = send()
    calls.go_on.set()
    wait_until(lambda: not client.exists(line.ALIVE + "crew"))

    assert calls.seen == [(call, False)]
    assert client.lrange(f"reply-{call}", 0, -1) == [b"sealed"]
    ((_, left),) = client.xrange(line.STREAM)
    assert str(later).encode() in left[b"message"]
    assert client.xpending(line.STREAM, line.GROUP)["pending"] == 0


def test_a_call_that_fails_does_not_take_its_thread_with_it(crew, calls, client, monkeypatch):
    calls.go_on.set()

    def fails(call: UUID, *, again: bool = False) -> None:
        raise ValueError

    monkeypatch.setattr(execution, "run", fails)
    for _ in range(2 * crews.THREADS):
        send()
    wait_until(lambda: client.xlen(line.STREAM) == 0)
    monkeypatch.setattr(execution, "run", calls.run)

    call = send()

    wait_until(lambda: (call, False) in calls.seen)


def test_what_a_dead_process_had_is_run_as_come_again(client, calls):
    calls.go_on.set()
    dead = Stand("dead")
    dead.begin()
    call = send()
    assert dead.next(block=0.001)
    client.delete(line.ALIVE + "dead")
    crew = Crew(Stand("crew"))
    crew.start()
    watch = threading.Thread(target=crew.watch)
    watch.start()

    wait_until(lambda: client.xlen(line.STREAM) == 0)
    crew.ending.set()
    watch.join(30)

    assert calls.seen == [(call, True)]


def test_a_crew_that_has_ended_is_not_taken_for_one_that_hangs(client, calls, monkeypatch):
    monkeypatch.setattr("msplex.pulse.LONGEST_SECONDS", 0.0)
    crew = Crew(Stand("crew"))
    crew.start()
    watch = threading.Thread(target=crew.watch)
    watch.start()
    wait_until(lambda: not PULSE.is_regular())  # it was felt, and so late counts here

    crew.ending.set()
    watch.join(30)

    assert PULSE.is_regular()


def test_a_process_is_seen_to_be_gone_by_its_name():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mine = name_of_this_process()
    here = mine.rsplit(":", 2)[0]
    started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    name = f"{here}:{process.pid}:{started}"

    assert not is_known_to_be_gone(mine)
    assert not is_known_to_be_gone(name)
    assert is_known_to_be_gone(f"{here}:{process.pid}:1")
    assert not is_known_to_be_gone(f"elsewhere/1:{os.getpid()}:1")
    process.communicate(b"\n")
    assert is_known_to_be_gone(name)
